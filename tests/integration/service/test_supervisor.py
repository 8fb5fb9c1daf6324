"""Worker processes as `fewfit serve` runs them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fewfit.service.jobs.supervisor import LIFELINE, Workers
from tests.unit.service.shop import Shop, jsonl, settings_for, single_rows


def _until(condition: Callable[[], bool], what: str) -> None:
    until_s = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < until_s, f"not within five minutes: {what}"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_job_is_done(tmp_path: Path, small_base: Path) -> None:
    settings = settings_for(tmp_path, small_base, lease_s=1.0, poll_interval_s=0.05, worker_nice=0)
    shop = Shop(settings)
    with Workers(settings, environ={"OMP_NUM_THREADS": "1"}) as workers:
        _until(lambda: shop.service.counts().workers == 1, "a worker has started")
        (first,) = workers.process_ids
        dataset = shop.dataset(jsonl(single_rows()), work=False)
        _until(lambda: shop.service.datasets.get(shop.admin, dataset.id).status == "validated", "validation")
        model = shop.service.models.create(shop.admin, name="m", dataset_id=dataset.id)
        _until(lambda: shop.service.models.get(shop.admin, model.id).status == "finetuning", "training begins")
        os.kill(first, signal.SIGKILL)
        _until(lambda: shop.service.models.get(shop.admin, model.id).status == "ready", "training is taken up again")
        assert workers.process_ids != [first]
        assert shop.service.jobs.list(shop.admin, kind="train")[0].attempts == 2
    assert shop.service.counts().workers <= 1  # the killed one said no goodbye
    shop.close()


@pytest.mark.slow
def test_a_worker_ends_with_its_server(tmp_path: Path, small_base: Path) -> None:
    settings = settings_for(tmp_path, small_base, worker_nice=0)
    process = subprocess.Popen(
        [sys.executable, "-m", "fewfit.service", LIFELINE],
        stdin=subprocess.PIPE,
        env={**os.environ, **settings.to_environ()},
    )
    shop = Shop(settings)
    _until(lambda: shop.service.counts().workers == 1, "the worker has started")
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 0
    assert shop.service.counts().workers == 0
    shop.close()
