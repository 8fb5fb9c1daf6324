import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.harness import worker
from benchmarks.harness.methods import Method, parse_methods
from benchmarks.harness.plan import Base, plan
from benchmarks.harness.results import Results
from benchmarks.harness.runner import Runner
from benchmarks.harness.tasks import EvaluationData

pytestmark = pytest.mark.slow  # real worker processes
BASE = Base("none", Path("none"), "", "")


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOGS", tmp_path / "logs")


@contextlib.contextmanager
def running(data: EvaluationData, results: Results) -> Iterator[Runner]:
    runner = Runner(data, results)
    try:
        yield runner
    finally:
        runner.close()


def here(*names: str) -> list[Method]:
    """Methods in our own environment, which has scikit-learn too."""
    return [replace(method, requirements=None) for method in parse_methods(names)]


def test_steps_are_measured_stored_and_a_failure_does_not_end_the_run(
    data: EvaluationData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = Results(tmp_path / "r.jsonl")
    trials = data.trials(["drinks", "topics", "stars:en:all"])
    steps = plan(data, trials, ["8", "40"], [0], here("tfidf:depth=3", "tfidf"), [BASE], 1).steps
    with running(data, results) as runner:
        failures = runner.run(steps)
    assert len(failures) == 3
    assert "unknown setting depth; known: C" in failures[0]
    drinks, topics, stars = Results(tmp_path / "r.jsonl").rows
    assert (drinks.task, drinks.n_train, drinks.tests["en"]["n"], drinks.seed) == ("drinks", 4, 4, 0)
    assert 0 <= drinks.tests["en"]["accuracy"] <= 1
    assert drinks.fit_s > 0
    assert drinks.tests["en"]["predict_s"] > 0
    assert topics.tests["en"].keys() >= {"macro_f1", "empty_share", "brier"}
    assert list(stars.tests) == ["de", "en"]
    assert stars.tests["de"] == pytest.approx(stars.tests["en"] | {"predict_s": stars.tests["de"]["predict_s"]})
    assert "scikit-learn" in stars.versions
    assert stars.machine["cores"] >= 1
    assert all(results.has(step.key) for step in steps if not step.method.settings)
    assert "[2/6] drinks, size 8, seed 0, tfidf: accuracy" in capsys.readouterr().err


def test_a_worker_that_takes_too_long_is_ended_and_another_one_takes_over(data: EvaluationData, tmp_path: Path) -> None:
    results = Results(tmp_path / "r.jsonl")
    steps = plan(data, data.trials(["drinks"]), ["8"], [0], here("tfidf"), [BASE], 1).steps
    with running(data, results) as runner:
        runner._limit_s = 1e-4
        assert "was ended" in runner.run(steps)[0]
        runner._limit_s = None
        assert runner.run(steps) == []
    assert len(results.rows) == 1
