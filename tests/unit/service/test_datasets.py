import io
import json
from datetime import datetime, timedelta, timezone

import fastavro
import pytest
from sqlalchemy import select, update

from fewfit.errors import InputError
from fewfit.service.errors import ForbiddenError, LimitError, NotFoundError
from fewfit.service.records import Dataset, DatasetOptions, Download
from fewfit.service.store.tables import DatasetRow, FileReferenceRow, utc_now
from tests.unit.service.conftest import OpenShop
from tests.unit.service.shop import MULTI, SINGLE, Shop, a_caller, jsonl, multi_rows, single_rows


def _read(shop: Shop, download: Download) -> bytes:
    return b"".join(shop.service.datasets.open_download(download.id, download.token).chunks)


def _csv(rows: list[dict[str, str]]) -> bytes:
    return b"text,label\r\n" + b"".join(f"{row['text']},{row['label']}\r\n".encode() for row in rows)


def test_an_upload_becomes_a_validated_dataset(shop: Shop) -> None:
    dataset = shop.dataset(jsonl(single_rows()), work=False, name="My tickets: März")
    assert dataset.status == "queued"
    assert dataset.id.startswith("my-tickets-marz-")
    shop.work()
    dataset = shop.service.datasets.get(shop.admin, dataset.id)
    assert dataset.status == "validated", dataset.error
    assert dataset.error is None
    assert dataset.updated_at > dataset.created_at
    assert dataset.required_fields == ("text", "label")
    assert json.loads(dataset.schema or "")["fields"][1] == {"name": "label", "type": "string"}
    metrics = dataset.metrics
    assert metrics is not None
    assert (metrics.total_examples, metrics.train_examples, metrics.eval_examples) == (48, 48, 0)
    assert [(label.label, label.total_examples) for label in metrics.labels] == [
        ("account", 16),
        ("billing", 16),
        ("delivery", 16),
    ]
    assert all(len(label.samples) == 3 for label in metrics.labels)
    assert metrics.trainable_token_count is not None
    assert metrics.trainable_token_count > 48 * 3
    assert any("20%" in warning for warning in dataset.warnings)


@pytest.mark.parametrize("kind", [SINGLE, MULTI])
def test_the_parts_are_avro_with_all_rows(shop: Shop, kind: str) -> None:
    rows = single_rows() if kind == SINGLE else multi_rows()
    evaluation = [row | {"text": f"held out: {row['text']}"} for row in rows[:24]]
    dataset = shop.dataset(jsonl(rows), kind=kind, eval_content=jsonl(evaluation))
    assert dataset.status == "validated", dataset.error
    train, held_out = dataset.parts
    assert (train.name, train.n_rows, train.index) == ("train", 48, 0)
    assert (held_out.name, held_out.n_rows, held_out.index) == ("eval", 24, 1)
    assert list(fastavro.reader(io.BytesIO(_read(shop, train.download)))) == rows
    assert list(fastavro.reader(io.BytesIO(_read(shop, held_out.download)))) == evaluation
    assert json.loads(train.samples[0]) == rows[0]
    assert train.size_bytes == len(_read(shop, train.download))


def test_a_download_needs_its_own_token(shop: Shop) -> None:
    dataset = shop.dataset(jsonl(single_rows()), eval_content=jsonl(single_rows()[:30]))
    train, held_out = (part.download for part in dataset.parts)
    for download_id, token in ((train.id, held_out.token), (train.id, ""), (train.id, "é\0"), ("x" * 9, train.token)):
        with pytest.raises(NotFoundError):
            shop.service.datasets.open_download(download_id, token)
    shop.service.datasets.delete(shop.admin, dataset.id)
    with pytest.raises(NotFoundError):
        shop.service.datasets.open_download(train.id, train.token)


def test_the_original_is_kept_only_if_wanted(shop: Shop) -> None:
    content = jsonl(single_rows())
    kept = shop.dataset(content, options=DatasetOptions(keep_original_file=True))
    original = kept.parts[0].original
    assert original is not None
    assert _read(shop, original) == content
    assert shop.service.datasets.open_download(original.id, original.token).filename == "data.jsonl"
    assert shop.dataset(content).parts[0].original is None


def test_csv_is_read_with_any_delimiter(shop: Shop) -> None:
    rows = single_rows()
    assert shop.dataset(_csv(rows), filename="a.csv").status == "validated"
    assert shop.dataset(b"\xef\xbb\xbf" + _csv(rows), filename=None).status == "validated"
    options = DatasetOptions(csv_delimiter=";")
    dataset = shop.dataset(_csv(rows).replace(b",", b";"), filename="a.csv", options=options)
    assert dataset.status == "validated"
    assert dataset.delimiter == ";"


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_a_senseless_delimiter_is_refused_at_once(shop: Shop, delimiter: str) -> None:
    with pytest.raises(InputError, match="delimiter"):
        shop.dataset(_csv(single_rows()), options=DatasetOptions(csv_delimiter=delimiter))


@pytest.mark.parametrize(
    ("content", "filename", "message"),
    [
        (b"", "a.csv", "empty"),
        (b"\xef\xbb\xbf \n\n", "a.csv", "empty"),
        (b"[object Object]", None, "Node SDK"),
        (b"PK\x03\x04", "a.xlsx", "xlsx"),
    ],
)
def test_what_is_wrong_at_first_sight_is_refused_at_once(
    shop: Shop, content: bytes, filename: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        shop.dataset(content, filename=filename)
    assert shop.service.datasets.list(shop.admin) == ()


@pytest.mark.parametrize("name", ["", " ", "x" * 50, "a\0b"])
def test_a_name_that_does_not_fit_is_refused(shop: Shop, name: str) -> None:
    with pytest.raises(InputError, match="name of a dataset"):
        shop.dataset(jsonl(single_rows()), name=name)


def test_an_unknown_type_is_refused(shop: Shop) -> None:
    with pytest.raises(InputError, match="embed-input"):
        shop.dataset(jsonl(single_rows()), kind="embed-input")


def test_a_failed_dataset_says_why_and_reports_everything(shop: Shop) -> None:
    rows = [*single_rows(), {"text": "only once", "label": "rare"}]
    dataset = shop.dataset(jsonl(rows) + b"not json\n")
    assert dataset.status == "failed"
    assert dataset.parts == ()
    assert dataset.metrics is None
    report = shop.service.datasets.report(shop.admin, dataset.id)
    assert {"bad_json", "rare_label"} <= set(report.codes)
    assert report.errors[0].rows
    told = " ".join([dataset.error or "", *dataset.warnings])
    assert "row 50" in told
    assert "'rare'" in told


def test_skipping_drops_bad_rows_and_rare_labels_with_a_warning(shop: Shop) -> None:
    rows = [*single_rows(), {"text": "only once", "label": "rare"}]
    options = DatasetOptions(skip_malformed_input=True)
    dataset = shop.dataset(jsonl(rows) + b"not json\n", options=options)
    assert dataset.status == "validated", dataset.error
    assert dataset.parts[0].n_rows == 48
    assert any("'rare'" in warning for warning in dataset.warnings)
    assert any("JSON" in warning for warning in dataset.warnings)


def test_a_file_that_cannot_be_read_fails_with_its_reason(shop: Shop) -> None:
    dataset = shop.dataset(_csv(single_rows()), kind=MULTI, filename="a.csv")
    assert dataset.status == "failed"
    assert "JSONL" in (dataset.error or "")


def test_the_list_is_filtered_newest_first_and_paged(shop: Shop) -> None:
    one = shop.dataset(jsonl(single_rows()), name="one")
    two = shop.dataset(jsonl(multi_rows()), kind=MULTI, name="two")
    three = shop.dataset(jsonl(single_rows()[:5]), name="three")
    datasets = shop.service.datasets

    def ids(found: tuple[Dataset, ...]) -> list[str]:
        return [dataset.id for dataset in found]

    assert ids(datasets.list(shop.admin)) == [three.id, two.id, one.id]
    assert ids(datasets.list(shop.admin, limit=1, offset=1)) == [two.id]
    assert ids(datasets.list(shop.admin, limit=0)) == []
    assert ids(datasets.list(shop.admin, offset=2**63)) == []
    assert ids(datasets.list(shop.admin, dataset_type=MULTI)) == [two.id]
    assert ids(datasets.list(shop.admin, status="failed")) == [three.id]
    assert ids(datasets.list(shop.admin, before=two.created_at)) == [one.id]
    assert ids(datasets.list(shop.admin, after=two.created_at)) == [three.id]


def test_senseless_filters_are_refused(shop: Shop) -> None:
    datasets = shop.service.datasets
    with pytest.raises(InputError, match="validation status"):
        datasets.list(shop.admin, status="fine")
    with pytest.raises(InputError, match="dataset type"):
        datasets.list(shop.admin, dataset_type="any")
    with pytest.raises(InputError, match="time zone"):
        datasets.list(shop.admin, before=datetime(2026, 1, 1))
    with pytest.raises(InputError, match="no moment"):
        datasets.list(shop.admin, after=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))))
    with pytest.raises(InputError, match="limit"):
        datasets.list(shop.admin, limit=-1)


def test_usage_counts_what_is_kept(shop: Shop) -> None:
    assert shop.service.datasets.usage_bytes(shop.admin) == 0
    dataset = shop.dataset(jsonl(single_rows()))
    rows = shop.service.datasets.usage_bytes(shop.admin) - dataset.parts[0].size_bytes
    assert rows > 0, "the rows as they were read are kept beside the part, to be edited"
    assert shop.service.datasets.usage_bytes(shop.admin) == dataset.size_bytes
    shop.service.datasets.delete(shop.admin, dataset.id)
    assert shop.service.datasets.usage_bytes(shop.admin) == 0


def test_deleting_reaches_files_and_queued_work(shop: Shop) -> None:
    dataset = shop.dataset(jsonl(single_rows()), work=False)
    shop.service.datasets.delete(shop.admin, dataset.id)
    shop.work()
    with pytest.raises(NotFoundError):
        shop.service.datasets.get(shop.admin, dataset.id)
    job = next(job for job in shop.service.jobs.list(shop.admin) if job.kind == "validate")
    assert job.state == "cancelled"


def test_old_datasets_are_deleted_where_retention_says_so(open_shop: OpenShop) -> None:
    shop = open_shop(retention_days=30)
    old, new = shop.dataset(jsonl(single_rows()), name="old"), shop.dataset(jsonl(single_rows()), name="new")
    with shop.service.database.writing() as session:
        past = utc_now() - timedelta(days=31)
        session.execute(update(DatasetRow).where(DatasetRow.id == old.id).values(created_at=past))
    assert shop.service.datasets.delete_expired(utc_now()) == 1
    assert [dataset.id for dataset in shop.service.datasets.list(shop.admin)] == [new.id]
    assert open_shop().service.datasets.delete_expired(utc_now() + timedelta(days=9999)) == 0


def test_another_organisation_sees_nothing(shop: Shop) -> None:
    dataset = shop.dataset(jsonl(single_rows()))
    stranger = a_caller(organization_id="elsewhere")
    datasets = shop.service.datasets
    assert datasets.list(stranger) == ()
    assert datasets.usage_bytes(stranger) == 0
    for method in (datasets.get, datasets.report, datasets.delete):
        with pytest.raises(NotFoundError):
            method(stranger, dataset.id)


@pytest.mark.parametrize("dataset_id", ["nothing", "", "a\0b", "../x", "ä", "x" * 500])
def test_unknown_ids_are_not_found(shop: Shop, dataset_id: str) -> None:
    with pytest.raises(NotFoundError):
        shop.service.datasets.get(shop.admin, dataset_id)


def test_scopes_are_checked(shop: Shop) -> None:
    dataset = shop.dataset(jsonl(single_rows()))
    reader, classifier = a_caller("read"), a_caller("classify")
    assert shop.service.datasets.get(reader, dataset.id).id == dataset.id
    with pytest.raises(ForbiddenError):
        shop.service.datasets.delete(reader, dataset.id)
    with pytest.raises(ForbiddenError):
        shop.service.datasets.get(classifier, dataset.id)
    with pytest.raises(ForbiddenError):
        shop.service.datasets.list(classifier)


def test_both_files_together_stay_below_the_limit(open_shop: OpenShop) -> None:
    content = jsonl(single_rows())
    shop = open_shop(max_dataset_bytes=len(content) + 10)
    with pytest.raises(LimitError):
        shop.dataset(content, eval_content=content)


@pytest.mark.parametrize(
    ("name", "options"),
    [("two\nlines", DatasetOptions()), ("fine", DatasetOptions(csv_delimiter='"')), ("fine", DatasetOptions())],
)
def test_a_refused_dataset_leaves_nothing_behind(shop: Shop, name: str, options: DatasetOptions) -> None:
    before = shop.service.datasets.usage_bytes(shop.admin)
    content = jsonl(single_rows()) if name != "fine" or options.csv_delimiter else b" \n"
    with pytest.raises(InputError):
        shop.dataset(content, name=name, options=options)
    assert shop.service.datasets.usage_bytes(shop.admin) == before
    with shop.service.database.reading() as session:
        assert session.scalars(select(FileReferenceRow)).all() == []


def test_what_is_being_uploaded_is_no_usage_yet(shop: Shop) -> None:
    shop.upload(jsonl(single_rows()))
    assert shop.service.datasets.usage_bytes(shop.admin) == 0


@pytest.mark.parametrize(("status", "kind"), [("unknown", None), ("skipped", None), (None, "embed-input")])
def test_what_no_dataset_here_is_finds_none(shop: Shop, status: str | None, kind: str | None) -> None:
    shop.dataset(jsonl(single_rows()), work=False)
    assert shop.service.datasets.list(shop.admin, status=status, dataset_type=kind) == ()


def test_errors_advise_what_an_upload_can_do(shop: Shop) -> None:
    wrong = shop.dataset(b"message;intent\n" + b"a;x\n" * 40, filename="t.csv")
    assert "Rename the columns to text and label." in str(wrong.error)
    assert "--" not in str(wrong.error)
    semicolons = shop.dataset(
        b"text;label\n" + b"a;x\n" * 40, filename="t.csv", options=DatasetOptions(csv_delimiter=",")
    )
    assert "looks like several columns with ';' between them" in str(semicolons.error)


def test_uploads_that_arrive_at_once_stay_within_the_space_of_the_organisation(open_shop: OpenShop) -> None:
    contents = [jsonl(single_rows(16 + number)) for number in range(3)]
    shop = open_shop(max_organization_bytes=len(contents[0]) + len(contents[1]) + 10)
    uploads = [shop.service.datasets.upload(shop.admin) for _ in contents]
    for upload, content in zip(uploads, contents, strict=True):
        upload.write(content)
    files = [upload.finish() for upload in uploads]
    for file in files[:2]:
        shop.service.datasets.create(shop.admin, name="a", dataset_type=SINGLE, data=file)
    with pytest.raises(LimitError, match="would take"):
        shop.service.datasets.create(shop.admin, name="a", dataset_type=SINGLE, data=files[2])
    assert shop.service.datasets.usage_bytes(shop.admin) == len(contents[0]) + len(contents[1])
