"""Datasets: listed, looked into, repaired, downloaded, deleted."""

import json
from collections.abc import Mapping
from typing import Any, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from fewfit.dashboard.context import CurrentContext
from fewfit.dashboard.dataset_views import dataset_view, findings_by_key, twin
from fewfit.dashboard.forms import CurrentForm, Form
from fewfit.dashboard.lists import PAGE_SIZE, listing, n_pages_of, page_number
from fewfit.dashboard.pages import go_to, own_path, show, wants_json
from fewfit.dashboard.visitors import CurrentVisitor
from fewfit.data.writing import WriteFormat
from fewfit.errors import InputError
from fewfit.service.datasets.validation import part_of
from fewfit.service.errors import NotFoundError
from fewfit.service.records import Dataset, RowPage
from fewfit.web.downloads import attachment
from fewfit.web.errors import RequestError

router = APIRouter(prefix="/datasets")

_COLUMNS = {
    "name": ("Name", lambda dataset: dataset.name.casefold()),
    "status": ("Status", lambda dataset: dataset.status),
    "examples": ("Examples", lambda dataset: dataset.metrics.total_examples if dataset.metrics else -1),
    "size": ("Size", lambda dataset: dataset.size_bytes),
    "created": ("Created", lambda dataset: dataset.created_at),
    "changed": ("Changed", lambda dataset: dataset.updated_at),
}
_MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}


@router.get("")
def datasets(
    request: Request, context: CurrentContext, visitor: CurrentVisitor, q: str = "", sort: str = "", page: int = 1
) -> Response:
    """All datasets, searched and sorted."""
    found = context.service.datasets.list(visitor.caller)
    shown = listing(found, query=q, sort=sort, page=page, columns=_COLUMNS, words=_words)
    used = context.service.datasets.usage_bytes(visitor.caller)
    view = {"listing": shown, "used_bytes": used, "most_bytes": context.settings.max_organization_bytes}
    return show(request, "datasets.html", view)


@router.get("/{dataset_id}")
def dataset(request: Request, dataset_id: str, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """A dataset: numbers, findings with repairs, versions."""
    view = twin(dataset_view(context, visitor.caller, dataset_id))
    return show(request, "dataset.html", view | {"back": request.url.path})


@router.get("/{dataset_id}/rows")
def rows(
    request: Request,
    dataset_id: str,
    context: CurrentContext,
    visitor: CurrentVisitor,
    part: str = "train",
    q: str = "",
    label: str | None = None,
    finding: str = "",
    version: int | None = None,
    page: int = 1,
    edit: int | None = None,
) -> Response:
    """Rows by words, label, finding or version, each to be relabelled or dropped."""
    caller, service = visitor.caller, context.service
    found = findings_by_key(service.datasets.report(caller, dataset_id)).get(finding) if finding else None
    gone = bool(finding) and found is None
    if gone and wants_json(request):
        raise NotFoundError(f"There is no finding {finding[:60]!r}: the data were changed since.")
    if found is not None:
        part = part_of(found)
    page = page_number(page)
    # "none" in the menu of labels is a word of ours, sent as "-": a real label may be called anything.
    wanted = {"": None, "-": ""}.get(label or "", label[1:] if label else None)

    def rows_of(page: int) -> RowPage:
        return service.editing.rows(
            caller,
            dataset_id,
            part=part,
            version=version,
            query=q,
            label=wanted,
            numbers=frozenset(found.rows if found else ()) if finding else None,
            limit=PAGE_SIZE,
            offset=(page - 1) * PAGE_SIZE,
        )

    result = rows_of(page)
    if page > n_pages_of(result.total):  # the last one was emptied
        page = n_pages_of(result.total)
        result = rows_of(page)
    shown = service.datasets.get(caller, dataset_id)
    view = {
        "dataset": shown,
        "kind": service.editing.kind(caller, dataset_id),
        "versions": service.editing.versions(caller, dataset_id),
        "rows": result.rows,
        "total": result.total,
        "n_rows": result.n_rows,
        "labels": result.labels,
        "part": part,
        "query": q,
        "label": label or "",
        "finding": finding,
        "finding_message": found.message if found else "",
        "busy": shown.status in ("queued", "processing"),
        "version": version,
        "page": page,
        "n_pages": n_pages_of(result.total),
        "edit": edit,
        "back": f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path,
    }
    return show(request, "rows.html", view, status=404 if gone else 200)


@router.post("/{dataset_id}/edit")
def edit_dataset(
    request: Request, dataset_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Applies an edit and goes back to where it was asked for."""
    kind = context.service.editing.kind(visitor.caller, dataset_id)
    version = context.service.editing.edit(visitor.caller, dataset_id, _edit(form, kind))
    return go_to(request, _back(form, dataset_id), version=version)


@router.post("/{dataset_id}/restore")
def restore(
    request: Request, dataset_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Goes back to an earlier version, which undoes what came after it."""
    number = form.number("version")
    if number is None:
        raise RequestError("version is missing; expected the number of a version.")
    undone = form.number("undone")
    if undone is not None:
        newest = context.service.editing.versions(visitor.caller, dataset_id)[0]
        if undone != newest.number:
            raise InputError(
                f"The dataset was changed since: version {newest.number} ({newest.note}) is the newest, and would be "
                "undone, too. Look at it first."
            )
    version = context.service.editing.restore(visitor.caller, dataset_id, number)
    return go_to(request, _back(form, dataset_id), version=version)


@router.post("/{dataset_id}/delete")
def delete(
    request: Request, dataset_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Deletes a dataset for good, where its name was typed."""
    found = context.service.datasets.get(visitor.caller, dataset_id)
    if form.get("name").split() != found.name.split():  # as the page shows it: white space is one space
        raise RequestError(f"The name that was typed is not that of the dataset, {found.name!r}; nothing was deleted.")
    context.service.datasets.delete(visitor.caller, dataset_id)
    return go_to(request, "/datasets")


@router.get("/{dataset_id}/download")
def download(
    dataset_id: str,
    context: CurrentContext,
    visitor: CurrentVisitor,
    format: str = "csv",  # noqa: A002
    part: str = "train",
    version: int | None = None,
) -> StreamingResponse:
    """The rows of a part as a file."""
    chosen = cast(WriteFormat, format)
    lines = context.service.editing.export(visitor.caller, dataset_id, chosen, part=part, version=version)
    headers = {
        "Content-Disposition": attachment(f"{dataset_id}-{part}.{format}"),
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(lines, media_type=_MEDIA_TYPES[format], headers=headers)


def _words(dataset: Dataset) -> str:
    return f"{dataset.name} {dataset.id}"


def _back(form: Form, dataset_id: str) -> str:
    back = form.get("back")
    return own_path(back) if back else f"/datasets/{dataset_id}"


def _edit(form: Form, kind: str) -> Mapping[str, Any]:
    """The edit that a form asks for: whole as JSON (the repairs), or in fields (what is typed and chosen)."""
    if form.get("edit"):
        try:
            edit = json.loads(form.get("edit"))
        except (ValueError, RecursionError) as error:
            raise RequestError(f"edit is not valid JSON: {error}.") from error
        if not isinstance(edit, dict):
            raise RequestError("edit is not a JSON object.")
        return edit
    op, part = form.get("op"), form.get("part", "train")
    numbers = [int(number) for number in form.all("row") if number.isascii() and number.isdigit() and len(number) < 16]
    if op in ("drop_rows", "relabel") and not numbers:
        raise InputError("No row is chosen. Tick the rows first.")
    if op == "drop_rows":
        return {"op": op, "part": part, "rows": numbers}
    if op == "relabel":
        return {"op": op, "part": part, "rows": numbers, "labels": _labels(form, kind)}
    if op == "rename":
        return {"op": op, "names": {form.get("label"): form.get("to")}}
    if op == "add":
        return {"op": op, "part": part, "examples": [{"text": form.get("text"), "labels": _labels(form, kind)}]}
    raise RequestError(f"op is {op[:40]!r}; expected drop_rows, relabel, rename or add.")


def _labels(form: Form, kind: str) -> list[str]:
    """The labels that were chosen, and the new one that was typed; in single-label data the new one wins."""
    new = [label for label in form.all("new_label") if label.strip()]
    chosen = [label for label in form.all("label") if label]
    return (new or chosen)[-1:] if kind == "single" else [*chosen, *new]
