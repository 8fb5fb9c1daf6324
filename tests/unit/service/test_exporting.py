import json
from pathlib import Path

import onnxruntime as ort
import pytest

from fewfit.errors import ArtifactError, InputError
from fewfit.service.errors import ForbiddenError, NotFoundError, NotReadyError
from fewfit.service.records import Hyperparameters, Model
from tests.unit.service.shop import Shop, a_caller, settings_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, small_base: Path) -> tuple[Shop, Model]:
    shop = Shop(settings_for(tmp_path_factory.mktemp("exported"), small_base))
    model = shop.model()
    for precision in ("fp32", "int8"):
        assert shop.service.exports.create(shop.admin, model.id, precision=precision).status == "queued"
    shop.work()
    return shop, model


def test_an_export_answers_like_the_model(exported: tuple[Shop, Model], tmp_path: Path) -> None:
    shop, model = exported
    export = shop.service.exports.get(shop.admin, model.id + "-ft", precision="fp32")
    assert (export.status, export.version, export.error) == ("ready", 1, None)
    assert export.p99_difference is not None
    opened = shop.service.exports.open(shop.admin, model.id, precision="fp32")
    content = b"".join(opened.chunks)
    assert len(content) == opened.size_bytes == export.size_bytes
    assert opened.filename == "router-v1-fp32.onnx"
    session = ort.InferenceSession(content, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["labels"]) == list(model.labels)


def test_a_smaller_precision_is_a_smaller_file_of_its_own(exported: tuple[Shop, Model]) -> None:
    shop, model = exported
    found = {export.precision: export for export in shop.service.exports.list(shop.admin, model.id)}
    assert set(found) == {"fp32", "int8"}
    assert all(export.status == "ready" for export in found.values())
    contents = {
        precision: b"".join(shop.service.exports.open(shop.admin, model.id, precision=precision).chunks)
        for precision in found
    }
    assert contents["fp32"] != contents["int8"]


def test_nothing_is_made_twice(exported: tuple[Shop, Model]) -> None:
    shop, model = exported
    before = shop.service.jobs.list(shop.admin, kind="export")
    assert shop.service.exports.create(shop.admin, model.id).status == "ready"
    assert shop.service.jobs.list(shop.admin, kind="export") == before
    for _ in range(2):
        assert shop.service.exports.create(shop.admin, model.id, precision="mixed").status == "queued"
    assert len(shop.service.jobs.list(shop.admin, kind="export")) == len(before) + 1
    with pytest.raises(NotReadyError, match="queued"):
        shop.service.exports.open(shop.admin, model.id, precision="mixed")
    shop.work()


def test_who_may_not_and_what_is_not_there(exported: tuple[Shop, Model]) -> None:
    shop, model = exported
    with pytest.raises(ForbiddenError):
        shop.service.exports.create(a_caller("read"), model.id)
    assert shop.service.exports.get(a_caller("read"), model.id, precision="fp32").status == "ready"
    stranger = a_caller(organization_id="other")
    with pytest.raises(NotFoundError):
        shop.service.exports.create(stranger, model.id)
    with pytest.raises(NotFoundError):
        shop.service.exports.open(stranger, model.id, precision="fp32")
    with pytest.raises(NotFoundError, match="version 9"):
        shop.service.exports.create(shop.admin, model.id, version=9)
    with pytest.raises(InputError, match="fp32, mixed, int8"):
        shop.service.exports.create(shop.admin, model.id, precision="fp8")


def test_a_version_that_was_not_exported_or_not_trained_is_said(shop: Shop) -> None:
    model = shop.model(work=False)
    with pytest.raises(NotReadyError, match="queued"):
        shop.service.exports.create(shop.admin, model.id)
    shop.work()
    with pytest.raises(NotFoundError, match="not exported in fp32"):
        shop.service.exports.get(shop.admin, model.id, precision="fp32")
    assert shop.service.exports.list(shop.admin, model.id) == ()


def test_a_failed_export_says_why_and_is_tried_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    model = shop.model(hyperparameters=Hyperparameters(train_epochs=1))

    def refuse(*arguments: object, **options: object) -> None:
        raise ArtifactError("its confidences differ")

    with monkeypatch.context() as patched:
        patched.setattr("fewfit.serving.export_onnx", refuse)
        shop.service.exports.create(shop.admin, model.id)
        shop.work()
    failed = shop.service.exports.get(shop.admin, model.id, precision="fp32")
    assert failed.status == "failed"
    assert "differ" in (failed.error or "")
    assert shop.service.models.get(shop.admin, model.id).status == "ready"
    with pytest.raises(NotReadyError, match="differ"):
        shop.service.exports.open(shop.admin, model.id, precision="fp32")
    assert shop.service.exports.create(shop.admin, model.id).status == "queued"
    shop.work()
    assert shop.service.exports.get(shop.admin, model.id, precision="fp32").status == "ready"


def test_an_export_goes_with_its_model(shop: Shop) -> None:
    model = shop.model(hyperparameters=Hyperparameters(train_epochs=1))
    shop.service.exports.create(shop.admin, model.id)
    shop.work()
    before = {path.name for path in (shop.service.settings.data / "files").glob("??/*")}
    shop.service.exports.create(shop.admin, model.id, precision="int8")
    shop.service.models.delete(shop.admin, model.id)
    shop.work()
    after = {path.name for path in (shop.service.settings.data / "files").glob("??/*")}
    assert len(after) < len(before)
    assert not [job for job in shop.service.jobs.list(shop.admin) if job.state in ("queued", "running")]
    with pytest.raises(NotFoundError):
        shop.service.exports.list(shop.admin, model.id)
