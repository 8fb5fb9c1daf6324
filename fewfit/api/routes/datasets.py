"""Datasets: upload, watch, list, delete, download."""

from contextlib import ExitStack
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from fewfit.api.authentication import CurrentCaller
from fewfit.api.context import CurrentContext, public_url
from fewfit.api.uploads import format_of, receive_parts
from fewfit.api.wire import datasets as wire
from fewfit.api.wire.common import Count, Empty, Flag, QueryTime, Text
from fewfit.service import records
from fewfit.service.errors import NotFoundError
from fewfit.service.interface import UploadLike
from fewfit.web.downloads import attachment
from fewfit.web.errors import RequestError
from fewfit.web.multipart import Part

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])
files = APIRouter(tags=["datasets"])

_MAX_NAME = 49  # "under 50 characters"
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["data"],
                    "properties": {
                        "data": {
                            "type": "string",
                            "format": "binary",
                            "description": "CSV or JSONL with text and label.",
                        },
                        "eval_data": {"type": "string", "format": "binary", "description": "Examples to evaluate on."},
                    },
                }
            }
        },
    }
}


@router.post("", response_model=wire.DatasetCreated, openapi_extra=_FORM)
async def create_dataset(
    request: Request,
    caller: CurrentCaller,
    context: CurrentContext,
    name: str,
    type: Annotated[str, Query(description=" or ".join(records.DATASET_TYPES))],
    keep_original_file: Flag = False,
    skip_malformed_input: Flag = False,
    keep_fields: Annotated[list[str] | None, Query(description="Accepted and not used.")] = None,
    optional_fields: Annotated[list[str] | None, Query(description="Accepted and not used.")] = None,
    text_separator: Annotated[str | None, Query(description="Accepted and not used.")] = None,
    csv_delimiter: Annotated[Text, Query(description="One character.")] = None,
) -> wire.DatasetCreated:
    """Uploads a dataset. Validation goes on in the background; ask for the dataset until it is validated or failed."""
    _check(name, type, csv_delimiter)
    service, settings = context.service, context.settings
    uploads: dict[str, UploadLike] = {}
    with ExitStack() as abandoned:

        def open_sink(part: Part) -> UploadLike:
            upload = service.datasets.upload(caller, part.filename)
            abandoned.callback(upload.abort)
            uploads[part.name] = upload
            return upload

        # Two files and what multipart adds around them.
        limit_bytes = 2 * settings.max_dataset_bytes + 64 * 1024
        parts = await receive_parts(request, open_sink, limit_bytes=limit_bytes)
        if type.startswith("multi-label"):
            _check_jsonl(parts)

        def keep() -> records.Dataset:
            stored = {part: upload.finish() for part, upload in uploads.items()}
            return service.datasets.create(
                caller,
                name=name,
                dataset_type=type,
                data=stored["data"],
                eval_data=stored.get("eval_data"),
                options=records.DatasetOptions(keep_original_file, skip_malformed_input, csv_delimiter),
            )

        dataset = await to_thread.run_sync(keep)
    return wire.DatasetCreated(id=dataset.id)


@router.get("", response_model=wire.DatasetList, response_model_exclude_none=True)
def list_datasets(
    request: Request,
    caller: CurrentCaller,
    context: CurrentContext,
    dataset_type: Annotated[Text, Query(alias="datasetType")] = None,
    validation_status: Annotated[Text, Query(alias="validationStatus")] = None,
    before: QueryTime = None,
    after: QueryTime = None,
    limit: Count = None,
    offset: Count = None,
) -> wire.DatasetList:
    """Datasets, newest first. `before` and `after` are about their creation, exclusive."""
    found = context.service.datasets.list(
        caller,
        dataset_type=dataset_type,
        status=validation_status,
        before=before,
        after=after,
        limit=limit or None,
        offset=offset or 0,
    )
    url = public_url(request, context.settings)
    return wire.DatasetList(datasets=[_dataset(one, url) for one in found])


@router.get("/usage", response_model=wire.Usage)
def get_usage(caller: CurrentCaller, context: CurrentContext) -> wire.Usage:
    """What the organisation's datasets take, in bytes."""
    return wire.Usage(organization_usage=context.service.datasets.usage_bytes(caller))


@router.get("/{id}", response_model=wire.DatasetAnswer, response_model_exclude_none=True)
def get_dataset(request: Request, id: str, caller: CurrentCaller, context: CurrentContext) -> wire.DatasetAnswer:
    """A dataset, with what validation found."""
    dataset = context.service.datasets.get(caller, id)
    return wire.DatasetAnswer(dataset=_dataset(dataset, public_url(request, context.settings)))


@router.get("/{id}/report")
def get_dataset_report(id: str, caller: CurrentCaller, context: CurrentContext) -> dict[str, Any]:
    """Everything that validation found, with row numbers (fewfit's own)."""
    return {"report": context.service.datasets.report(caller, id).to_dict()}


@router.delete("/{id}", response_model=Empty)
def delete_dataset(id: str, caller: CurrentCaller, context: CurrentContext) -> Empty:
    """Deletes a dataset. Models that were trained on it stay, and so do jobs that run."""
    context.service.datasets.delete(caller, id)
    return Empty()


@files.get("/files/{id}", response_class=StreamingResponse)
def download(id: str, context: CurrentContext, token: str = "") -> StreamingResponse:
    """A dataset's file by its link: the token in it is all that is needed."""
    if not token:
        raise NotFoundError(f"There is no file {id!r} under this link.")
    opened = context.service.datasets.open_download(id, token)
    headers = {
        "Content-Length": str(opened.size_bytes),
        "Content-Disposition": attachment(opened.filename),
        "Cache-Control": "private, no-store",
    }
    return StreamingResponse(opened.chunks, media_type=opened.media_type, headers=headers)


def _check(name: str, type: str, csv_delimiter: str | None) -> None:
    if not name.strip():
        raise RequestError("invalid request: name is empty; expected a name for the dataset.")
    if len(name) > _MAX_NAME:
        raise RequestError(f"invalid request: name has {len(name)} characters; expected at most {_MAX_NAME}.")
    if type not in records.DATASET_TYPES:
        reason = "is for other services than classification" if type in records.OTHER_DATASET_TYPES else "is not known"
        known = " or ".join(records.DATASET_TYPES)
        raise RequestError(f"invalid request: the dataset type '{type[:60]}' {reason}; expected {known}.")
    if csv_delimiter is not None and len(csv_delimiter) != 1:
        raise RequestError(
            f"invalid request: csv_delimiter is {csv_delimiter[:20]!r} ({len(csv_delimiter)} characters); expected one."
        )


def _check_jsonl(parts: list[Part]) -> None:
    for part in parts:
        if format_of(part) == "csv":
            raise RequestError(
                f"The part '{part.name}' is called '{part.filename}'; a multi-label dataset needs JSONL, one object "
                'a line such as {"text": "...", "label": ["a", "b"]}.'
            )


def _dataset(record: records.Dataset, url: str) -> wire.Dataset:
    return wire.Dataset(
        id=record.id,
        name=record.name,
        created_at=record.created_at,
        updated_at=record.updated_at,
        dataset_type=record.type,
        validation_status=record.status,
        validation_error=record.error,
        validation_warnings=list(record.warnings) or None,
        schema_=record.schema,
        required_fields=list(record.required_fields),
        preserve_fields=list(record.preserve_fields),
        dataset_parts=[_part(part, url) for part in record.parts] or None,
        parse_info=_parse_info(record),
        metrics=None if record.metrics is None else _metrics(record.metrics),
    )


def _parse_info(record: records.Dataset) -> wire.ParseInfo | None:
    if record.delimiter is None and record.label_separator is None:
        return None
    return wire.ParseInfo(separator=record.label_separator, delimiter=record.delimiter)


def _part(part: records.DatasetPart, url: str) -> wire.DatasetPart:
    return wire.DatasetPart(
        id=part.download.id,
        name=part.name,
        url=_link(part.download, url),
        index=part.index,
        size_bytes=part.size_bytes,
        num_rows=part.n_rows,
        original_url=None if part.original is None else _link(part.original, url),
        samples=list(part.samples),
    )


def _link(found: records.Download, url: str) -> str:
    return f"{url}/files/{found.id}?token={found.token}"


def _metrics(found: records.DatasetMetrics) -> wire.DatasetMetrics:
    labels = [
        wire.LabelMetric(label=one.label, total_examples=one.total_examples, samples=list(one.samples))
        for one in found.labels
    ]
    return wire.DatasetMetrics(
        finetune_dataset_metrics=wire.FinetuneDatasetMetrics(
            trainable_token_count=found.trainable_token_count,
            total_examples=found.total_examples,
            train_examples=found.train_examples,
            train_size_bytes=found.train_size_bytes,
            eval_examples=found.eval_examples,
            eval_size_bytes=found.eval_size_bytes,
            classify_data_metrics=wire.ClassifyDataMetrics(label_metrics=labels),
        )
    )
