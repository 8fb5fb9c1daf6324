"""Nothing that was accepted is lost, wherever a process is killed."""

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from fewfit.service.store.failpoints import FAIL_POINTS, arm
from fewfit.service.store.references import UPLOAD_LIFETIME, collect_garbage
from fewfit.service.store.tables import FileReferenceRow, JobRow, utc_now
from tests.unit.service.shop import SINGLE, Shop, jsonl, settings_for, single_rows, unlabelled

KILLED = -9
_UPLOADING = [
    name for name in FAIL_POINTS if name.startswith(("upload.", "dataset.", "model.", "export.queued", "distil.queued"))
]
_WORKING = [name for name in FAIL_POINTS if name not in _UPLOADING]

# Children begin as copies of a process that has everything imported already: torch takes seconds.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(
    [
        "fewfit.service.jobs.worker",
        "fewfit.training",
        "fewfit.encoders.encoder",
        "transformers.models.bert.modeling_bert",
    ]
)


def _serve(folder: Path, base: Path, output: Path, fail_points: str, what: str, argument: str) -> None:
    """What a server or worker does, in a process that may be killed; it writes what it has accepted."""
    arm(fail_points)
    shop = Shop(settings_for(folder, base))
    if what == "upload":
        output.write_text(shop.dataset(jsonl(single_rows()), kind=SINGLE, work=False).id)
    elif what == "distil":
        shop.service.distillations.create(shop.admin, argument, unlabelled(), max_disagreement=0.9)
    elif what == "export":
        shop.service.exports.create(shop.admin, argument)
    elif what == "train":
        output.write_text(shop.service.models.create(shop.admin, name="m", dataset_id=argument).id)
    else:
        shop.work()
    shop.close()


class Crashing:
    """Runs parts of the service in processes of their own, which end at a fail-point."""

    def __init__(self, folder: Path, base: Path) -> None:
        self._folder = folder
        self._base = base
        self.shop = Shop(settings_for(folder, base))

    def run(self, what: str, argument: str = "", *, kill_at: str) -> str:
        """Does something in a process that is killed at a fail-point; returns what it has accepted before."""
        output = self._folder / "accepted"
        arguments = (self._folder, self._base, output, kill_at, what, argument)
        process = _PROCESSES.Process(target=_serve, args=arguments)
        process.start()
        process.join(120)
        assert process.exitcode == KILLED, f"{kill_at} was not reached: exit status {process.exitcode}"
        return output.read_text() if output.exists() else ""

    def restart(self) -> None:
        """As if the leases of the dead had run out; then everything that is queued is done."""
        with self.shop.service.database.writing() as session:
            session.execute(update(JobRow).where(JobRow.state == "running").values(lease_until=utc_now()))
        self.shop.work()

    def check_consistency(self) -> None:
        check_consistency(self.shop)


def check_consistency(shop: Shop) -> None:
    """Every reference points at a whole file, and nothing is left that nobody refers to."""
    files = shop.service.files
    collect_garbage(shop.service.database, files, now=utc_now() + 2 * UPLOAD_LIFETIME)
    assert list(files.staging.iterdir()) == []
    with shop.service.database.reading() as session:
        wanted = {row.sha256: row.size_bytes for row in session.scalars(select(FileReferenceRow))}
    stored = {path.name: path.stat().st_size for path in (shop.service.settings.data / "files").glob("??/*")}
    assert stored == wanted


@pytest.fixture
def crashing(tmp_path: Path, small_base: Path) -> Iterator[Crashing]:
    found = Crashing(tmp_path, small_base)
    yield found
    found.shop.close()


@pytest.mark.parametrize(
    "fail_point", [name for name in _UPLOADING if not name.startswith(("model.", "export.", "distil."))]
)
def test_an_upload_is_accepted_whole_or_not_at_all(crashing: Crashing, fail_point: str) -> None:
    assert crashing.run("upload", kill_at=fail_point) == ""
    crashing.restart()
    datasets = crashing.shop.service.datasets.list(crashing.shop.admin)
    # The client got no answer and will try again; what it finds then is whole.
    assert len(datasets) == (1 if fail_point == "dataset.created" else 0)
    assert all(dataset.status == "validated" for dataset in datasets)
    crashing.check_consistency()


def test_a_model_is_queued_whole_or_not_at_all(crashing: Crashing) -> None:
    dataset = crashing.shop.dataset(jsonl(single_rows()), kind=SINGLE)
    crashing.run("train", dataset.id, kill_at="model.created")
    crashing.restart()
    (model,) = crashing.shop.service.models.list(crashing.shop.admin)
    assert model.status == "ready"
    crashing.check_consistency()


def test_a_fast_tier_is_queued_whole_or_not_at_all(crashing: Crashing) -> None:
    model = crashing.shop.model()
    crashing.run("distil", model.id, kill_at="distil.queued")
    crashing.restart()
    newest, first = crashing.shop.service.models.versions(crashing.shop.admin, model.id)
    assert (newest.status, first.status) == ("ready", "ready"), newest.error
    crashing.check_consistency()


def test_an_export_is_queued_whole_or_not_at_all(crashing: Crashing) -> None:
    model = crashing.shop.model()
    crashing.run("export", model.id, kill_at="export.queued")
    crashing.restart()
    (export,) = crashing.shop.service.exports.list(crashing.shop.admin, model.id)
    assert export.status == "ready", export.error
    crashing.check_consistency()


@pytest.mark.parametrize("fail_point", _WORKING)
def test_a_worker_may_die_anywhere(crashing: Crashing, fail_point: str) -> None:
    shop = crashing.shop
    dataset = shop.dataset(
        jsonl(single_rows()), kind=SINGLE, work=fail_point.split(".")[0] in ("train", "export", "distil", "clean_up")
    )
    if dataset.status == "validated":
        model = shop.service.models.create(shop.admin, name="m", dataset_id=dataset.id)
    if fail_point.startswith("clean_up"):
        gone = shop.dataset(jsonl(single_rows(17)), kind=SINGLE)
        shop.service.datasets.delete(shop.admin, gone.id)
    if fail_point.startswith("export"):
        shop.work()
        shop.service.exports.create(shop.admin, model.id)
    if fail_point.startswith("distil"):
        shop.work()
        shop.service.distillations.create(shop.admin, model.id, unlabelled(), max_disagreement=0.9, promote=True)
    crashing.run("work", kill_at=fail_point + (":3" if fail_point == "train.step" else ""))
    crashing.restart()
    dataset = shop.service.datasets.get(shop.admin, dataset.id)
    assert dataset.status == "validated"
    part = dataset.parts[0]
    content = b"".join(shop.service.datasets.open_download(part.download.id, part.download.token).chunks)
    assert len(content) == part.size_bytes
    if fail_point.startswith("train"):
        found = shop.service.models.get(shop.admin, model.id)
        assert found.status == "ready", found.error
        assert [event.status for event in shop.service.models.events(shop.admin, model.id)] == [
            "ready",
            "finetuning",
            "queued",
        ]
        assert len(shop.service.models.versions(shop.admin, model.id)) == 1
        assert shop.service.classify(shop.admin, ["parcel"], model=model.id).texts[0].predictions
    if fail_point.startswith("distil"):
        newest, first = shop.service.models.versions(shop.admin, model.id)
        assert (newest.status, newest.promoted, first.status) == ("ready", True, "ready"), newest.error
        assert shop.service.classify(shop.admin, ["parcel"], model=model.id).texts[0].predictions
    if fail_point.startswith("export"):
        opened = shop.service.exports.open(shop.admin, model.id, precision="fp32")
        assert sum(map(len, opened.chunks)) == opened.size_bytes
        assert len(shop.service.jobs.list(shop.admin, kind="export")) == 1
    assert not [job for job in shop.service.jobs.list(shop.admin) if job.state in ("queued", "running")]
    crashing.check_consistency()


def test_a_job_that_always_kills_its_worker_fails_with_its_reason(crashing: Crashing) -> None:
    model = crashing.shop.model(work=False)
    for _ in range(crashing.shop.service.settings.max_attempts):
        crashing.run("work", kill_at="train.read")
        with crashing.shop.service.database.writing() as session:
            session.execute(update(JobRow).where(JobRow.state == "running").values(lease_until=utc_now()))
    crashing.restart()
    found = crashing.shop.service.models.get(crashing.shop.admin, model.id)
    assert found.status == "failed"
    assert "died" in (found.error or "")
