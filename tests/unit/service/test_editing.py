"""Datasets under repair, with a real worker: findings go, versions stay, organisations stay apart."""

import csv
import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fewfit.data import read_dataset
from fewfit.errors import InputError
from fewfit.service.datasets.previews import LARGEST_PREVIEW_BYTES, preview
from fewfit.service.datasets.repairs import repairs_for, requirements
from fewfit.service.errors import ForbiddenError, NotFoundError, NotReadyError
from fewfit.service.records import Caller, DatasetOptions, DatasetOverview
from fewfit.settings import Settings
from tests.unit.service.shop import Shop, a_caller, jsonl, single_rows

if TYPE_CHECKING:
    from collections.abc import Callable

FOUND = DatasetOptions(find_kind=True, text_column=None, label_column=None, min_eval_examples=16)


def overview_of(shop: Shop, dataset_id: str) -> DatasetOverview:
    overview = shop.service.editing.versions(shop.admin, dataset_id)[0].overview
    assert overview is not None
    return overview


def messy() -> list[dict[str, Any]]:
    """Rows with a copy, two spellings, a rare label and a conflict."""
    return [
        *single_rows(),
        {"text": "INVOICE card number 0", "label": "billing"},
        {"text": "a bill, please", "label": "Billing"},
        {"text": "who are you", "label": "other"},
        {"text": "parcel or invoice", "label": "delivery"},
        {"text": "parcel or invoice", "label": "billing"},
    ]


def test_one_click_repairs_make_a_failed_dataset_trainable(shop: Shop) -> None:
    service, admin = shop.service, shop.admin
    dataset = shop.dataset(jsonl(messy()), options=FOUND)
    assert dataset.status == "failed"
    for _ in range(10):
        overview = overview_of(shop, dataset.id)
        report = service.datasets.report(admin, dataset.id)
        offered = [repair for finding in report for repair in repairs_for(finding, overview)]
        if not offered:
            break
        service.editing.edit(admin, dataset.id, offered[0].edit)
        shop.work()
    dataset = service.datasets.get(admin, dataset.id)
    assert dataset.status == "validated", dataset.error
    assert all(one.met for one in requirements(overview, report, service.settings) if one.needed)
    for least, expected in (
        (250, "without one, each row is held out in turn, or a part of them with effort quick"),
        (40, "without one, 20% are held out"),
    ):
        settings = replace(service.settings, effort="balanced", min_holdout_examples=least)
        words = [one.found for one in requirements(overview, report, settings) if one.text == "An evaluation file"]
        assert words == [expected]
    assert dict(overview.train.labels) == {"account": 16, "billing": 17, "delivery": 16}
    assert not {"duplicate_text", "conflicting_labels", "label_variants", "rare_label"} & set(report.codes)


def test_versions_can_be_gone_back_to(shop: Shop) -> None:
    editing, admin = shop.service.editing, shop.admin
    dataset = shop.dataset(jsonl(single_rows()), options=FOUND)
    editing.edit(admin, dataset.id, {"op": "drop_rows", "rows": [1, 2]})
    editing.edit(admin, dataset.id, {"op": "relabel", "rows": [3], "labels": ["billing"]})
    shop.work()
    assert shop.service.datasets.get(admin, dataset.id).parts[0].n_rows == 46
    restored = editing.restore(admin, dataset.id, 1)
    assert (restored.number, restored.parent, restored.note) == (4, 1, "Back to version 1")
    shop.work()
    assert shop.service.datasets.get(admin, dataset.id).parts[0].n_rows == 48
    editing.edit(admin, dataset.id, {"op": "drop_rows", "rows": [48]})
    assert [version.note for version in editing.versions(admin, dataset.id)] == [
        "Dropped 1 row",
        "Back to version 1",
        "Labelled 1 row 'billing'",
        "Dropped 2 rows",
        "Uploaded data.jsonl",
    ]
    counts = [editing.rows(admin, dataset.id, version=number).total for number in (1, 2, 3, 4, 5)]
    assert counts == [48, 46, 46, 48, 47]


def test_rows_are_the_same_after_a_restart(shop: Shop, open_shop: Any) -> None:
    editing, admin = shop.service.editing, shop.admin
    dataset = shop.dataset(jsonl(messy()), options=FOUND)
    editing.edit(admin, dataset.id, {"op": "merge_variants"})
    editing.edit(admin, dataset.id, {"op": "add", "examples": [{"text": "new\nline", "labels": ["other"]}]})
    again = open_shop().service.editing
    for version in (1, 2, 3):
        ours = editing.rows(admin, dataset.id, version=version, limit=1000)
        assert again.rows(admin, dataset.id, version=version, limit=1000) == ours


def test_rows_are_found_by_words_label_and_number(shop: Shop) -> None:
    editing, admin = shop.service.editing, shop.admin
    dataset = shop.dataset(jsonl(single_rows()), options=FOUND)
    page = editing.rows(admin, dataset.id, query="INVOICE  number", limit=2, offset=1)
    assert (len(page.rows), page.n_rows) == (2, 48)
    assert page.total == sum("invoice" in row["text"] for row in single_rows())
    assert editing.rows(admin, dataset.id, label="account").total == 16
    assert [row.row for row in editing.rows(admin, dataset.id, numbers=frozenset((5, 7, 900))).rows] == [5, 7]
    assert editing.rows(admin, dataset.id, part="eval").total == 0
    with pytest.raises(InputError, match="part"):
        editing.rows(admin, dataset.id, part="../x")


def test_the_kind_and_columns_are_found(shop: Shop) -> None:
    names = ("billing", "delivery", "account", "billing|account")
    content = b"Message;Topics\n" + b"".join(f"text {n};{names[n % 4]}\n".encode() for n in range(60))
    dataset = shop.dataset(content, filename="data.csv", options=FOUND)
    assert dataset.status == "validated", dataset.error
    assert dataset.kind == "multi"
    (version,) = shop.service.editing.versions(shop.admin, dataset.id)
    assert version.overview is not None
    assert version.overview.columns["text_column"] == "Message"
    assert version.overview.columns["label_separator"] == "|"
    assert shop.service.editing.kind(shop.admin, dataset.id) == "multi"


@pytest.mark.parametrize(("count", "status"), [(15, "failed"), (16, "validated"), (24, "validated")])
def test_an_evaluation_file_may_be_small_with_a_warning(shop: Shop, count: int, status: str) -> None:
    evaluation = [row | {"text": f"held out: {row['text']}"} for row in single_rows()[:count]]
    dataset = shop.dataset(jsonl(single_rows()), eval_content=jsonl(evaluation), options=FOUND)
    assert dataset.status == status
    assert any("will be rough" in warning for warning in dataset.warnings) is (count == 16)
    if status == "failed":
        report = shop.service.datasets.report(shop.admin, dataset.id)
        overview = overview_of(shop, dataset.id)
        (repair,) = repairs_for(report.errors[0], overview)
        shop.service.editing.edit(shop.admin, dataset.id, repair.edit)
        shop.work()
        assert shop.service.datasets.get(shop.admin, dataset.id).status == "validated"


def test_an_edit_waits_until_the_upload_was_read(shop: Shop) -> None:
    dataset = shop.dataset(jsonl(single_rows()), work=False)
    with pytest.raises(NotReadyError):
        shop.service.editing.edit(shop.admin, dataset.id, {"op": "drop_rows", "rows": [1]})
    with pytest.raises(NotReadyError):
        shop.service.editing.rows(shop.admin, dataset.id)


def test_edits_follow_each_other_while_the_dataset_is_checked(shop: Shop) -> None:
    dataset = shop.dataset(jsonl(single_rows()), options=FOUND)
    for row in (1, 2, 3):
        shop.service.editing.edit(shop.admin, dataset.id, {"op": "drop_rows", "rows": [row]})
    states = [job.state for job in shop.service.jobs.list(shop.admin, kind="validate")]
    assert sorted(states) == ["cancelled", "cancelled", "queued", "succeeded"]
    shop.work()
    assert shop.service.datasets.get(shop.admin, dataset.id).parts[0].n_rows == 45


def test_a_model_is_trained_on_the_repaired_rows(shop: Shop) -> None:
    dataset = shop.dataset(jsonl([*single_rows(), {"text": "x", "label": "rare"}]), options=FOUND)
    shop.service.editing.edit(shop.admin, dataset.id, {"op": "drop_label", "label": "rare"})
    shop.work()
    model = shop.service.models.create(shop.admin, name="m", dataset_id=dataset.id)
    shop.work()
    assert shop.service.models.get(shop.admin, model.id).labels == ("account", "billing", "delivery")


@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_a_download_reads_back_as_it_was(shop: Shop, file_format: Any) -> None:
    rows = [*single_rows(), {"text": 'a "quoted",\nbroken text', "label": "billing"}]
    dataset = shop.dataset(jsonl(rows), options=FOUND)
    text = "".join(shop.service.editing.export(shop.admin, dataset.id, file_format))
    if file_format == "csv":
        assert [dict(row) for row in csv.DictReader(io.StringIO(text))] == rows
    else:
        assert [json.loads(line) for line in text.splitlines()] == rows
    assert len(read_dataset(text.encode(), name=f"x.{file_format}")[0]) == len(rows)
    with pytest.raises(InputError):
        shop.service.editing.export(shop.admin, dataset.id, "xlsx")  # type: ignore[arg-type]


def test_organisations_and_scopes_are_kept_apart(shop: Shop) -> None:
    editing = shop.service.editing
    dataset = shop.dataset(jsonl(single_rows()), options=FOUND)
    stranger = a_caller(organization_id="other")
    edit = {"op": "drop_rows", "rows": [1]}
    looks: list[Callable[[Caller], object]] = [
        lambda caller: editing.rows(caller, dataset.id),
        lambda caller: editing.versions(caller, dataset.id),
        lambda caller: editing.kind(caller, dataset.id),
        lambda caller: editing.edit(caller, dataset.id, edit),
        lambda caller: editing.restore(caller, dataset.id, 1),
        lambda caller: list(editing.export(caller, dataset.id, "csv")),
    ]
    for action in looks:
        with pytest.raises(NotFoundError):
            action(stranger)
        with pytest.raises(ForbiddenError):
            action(a_caller("classify"))
    for change in looks[3:5]:
        with pytest.raises(ForbiddenError):
            change(a_caller("read"))
    assert editing.rows(a_caller("read"), dataset.id).total == 48


def test_deleting_a_dataset_takes_its_versions_along(shop: Shop) -> None:
    dataset = shop.dataset(jsonl(single_rows()), options=FOUND)
    shop.service.datasets.delete(shop.admin, dataset.id)
    shop.work()
    assert shop.service.datasets.usage_bytes(shop.admin) == 0
    with pytest.raises(NotFoundError):
        shop.service.editing.rows(shop.admin, dataset.id)


def test_a_preview_ticks_what_is_met() -> None:
    settings = Settings()
    found = preview(jsonl(single_rows(2)), settings)
    assert [one.met for one in found.requirements if one.needed] == [True, False, False, True]
    found = preview(jsonl(single_rows()), settings)
    assert all(one.met for one in found.requirements if one.needed)
    assert len(found.examples) == 5
    found = preview(b"nothing here", settings)
    assert not found.report.ok
    with pytest.raises(InputError, match="at most"):
        preview(b"x" * (LARGEST_PREVIEW_BYTES + 1), settings)
