"""Models as ONNX files for other programs (fewfit's own): asked for, looked at, downloaded."""

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from fewfit.api.authentication import CurrentCaller
from fewfit.api.context import CurrentContext
from fewfit.api.wire import exports as wire
from fewfit.api.wire.common import Count
from fewfit.service import records
from fewfit.web.downloads import attachment

router = APIRouter(prefix="/v1/finetuning/finetuned-models/{id}/exports", tags=["fine-tuned models"])


@router.post("", response_model=wire.ExportAnswer, response_model_exclude_none=True)
def create_export(
    id: str, body: wire.CreateExport, caller: CurrentCaller, context: CurrentContext
) -> wire.ExportAnswer:
    """Queues writing a version as one ONNX file. One that is there, or on its way, is given back as it is."""
    export = context.service.exports.create(caller, id, precision=body.precision or "fp32", version=body.version)
    return wire.ExportAnswer(export=_export(export))


@router.get("", response_model=wire.ExportList, response_model_exclude_none=True)
def list_exports(id: str, caller: CurrentCaller, context: CurrentContext) -> wire.ExportList:
    """The exports of a model, newest version first."""
    return wire.ExportList(exports=[_export(one) for one in context.service.exports.list(caller, id)])


@router.get("/{precision}", response_model=wire.ExportAnswer, response_model_exclude_none=True)
def get_export(
    id: str, precision: str, caller: CurrentCaller, context: CurrentContext, version: Count = None
) -> wire.ExportAnswer:
    """One export, of the version that answers unless told otherwise."""
    return wire.ExportAnswer(
        export=_export(context.service.exports.get(caller, id, precision=precision, version=version))
    )


@router.get(
    "/{precision}/file",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}, "description": "The ONNX file."}},
)
def download_export(
    id: str, precision: str, caller: CurrentCaller, context: CurrentContext, version: Count = None
) -> StreamingResponse:
    """The file of an export that is ready."""
    opened = context.service.exports.open(caller, id, precision=precision, version=version)
    headers = {
        "Content-Length": str(opened.size_bytes),
        "Content-Disposition": attachment(opened.filename),
    }
    return StreamingResponse(opened.chunks, media_type=opened.media_type, headers=headers)


def _export(export: records.Export) -> wire.Export:
    return wire.Export(
        version=export.version,
        precision=export.precision,
        status=export.status,
        error=export.error,
        size_bytes=export.size_bytes or None,
        p99_difference=export.p99_difference,
    )
