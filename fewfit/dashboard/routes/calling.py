"""Call it: snippets to copy, the model card, and the model as files."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from fewfit.dashboard.context import CurrentContext
from fewfit.dashboard.dataset_views import dataset_name
from fewfit.dashboard.figures import EVALUATED_ON, figures_of
from fewfit.dashboard.forms import CurrentForm
from fewfit.dashboard.pages import go_to, show
from fewfit.dashboard.snippets import snippets
from fewfit.dashboard.templating import percent, points
from fewfit.dashboard.visitors import CurrentVisitor
from fewfit.service.records import Model, ModelVersion, OpenedFile
from fewfit.web.downloads import attachment

router = APIRouter(prefix="/models/{model_id}")


@router.get("/call")
def call_page(request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """Ready-made calls with the real id and address; a placeholder stands for the key."""
    models, caller = context.service.models, visitor.caller
    model = models.get(caller, model_id)
    versions = models.versions(caller, model.id)
    current = next((one for one in versions if one.number == model.promoted_version), versions[0])
    url = context.public_url(request)
    exports = context.service.exports.list(caller, model.id)
    view = {
        "model": model,
        "dataset_name": dataset_name(context, caller, model.dataset_id),
        "version": current,
        "url": url,
        "snippets": snippets(url, f"{model.id}-ft", several=model.kind == "multi"),
        "onnx": next((one for one in exports if (one.version, one.precision) == (current.number, "fp32")), None),
        "may_train": caller.may("train"),
        "card": model_card(model, current, models.report(caller, model.id, current.number)),
    }
    return show(request, "call.html", view)


@router.get("/card")
def card(request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor) -> Response:
    """The model card as a Markdown file."""
    models, caller = context.service.models, visitor.caller
    model = models.get(caller, model_id)
    versions = models.versions(caller, model.id)
    current = next((one for one in versions if one.number == model.promoted_version), versions[0])
    text = model_card(model, current, models.report(caller, model.id, current.number))
    headers = {"Content-Disposition": attachment("model-card.md"), "X-Content-Type-Options": "nosniff"}
    return PlainTextResponse(text, headers=headers, media_type="text/markdown")


@router.get("/artifact")
def artifact(model_id: str, context: CurrentContext, visitor: CurrentVisitor, version: int | None = None) -> Response:
    """The model's folder as a zip file."""
    return _sent(context.service.downloads.artifact(visitor.caller, model_id, version))


@router.get("/onnx")
def onnx(model_id: str, context: CurrentContext, visitor: CurrentVisitor, version: int | None = None) -> Response:
    """The model as one ONNX file, once a worker has made it."""
    return _sent(context.service.exports.open(visitor.caller, model_id, precision="fp32", version=version))


@router.post("/onnx")
def make_onnx(
    request: Request, model_id: str, context: CurrentContext, visitor: CurrentVisitor, form: CurrentForm
) -> Response:
    """Has a worker make the ONNX file of a version."""
    made = context.service.exports.create(visitor.caller, model_id, version=form.number("version"))
    return go_to(request, f"/models/{made.model_id}/call", export=made)


def model_card(model: Model, version: ModelVersion, report: Mapping[str, Any]) -> str:
    """What the model is, what it was made from, and how good it is, as Markdown."""
    kind = "one label a text" if model.kind == "single" else "any number of labels a text"
    lines = [
        f"# {_line(model.name)}",
        "",
        f"A text classifier that gives {kind}.",
        "",
        f"- Id: `{model.id}-ft`, version {version.number}",
        f"- Base: {_line(model.base_name or model.base)}",
        f"- Trained on: dataset `{version.dataset_id}`",
        f"- Labels ({len(version.labels)}): " + ", ".join(_line(label) for label in version.labels),
    ]
    if version.completed_at is not None:
        lines.append(f"- Ready since: {version.completed_at:%Y-%m-%d}")
    figures = figures_of(report)
    if figures:
        where = EVALUATED_ON.get(str(report.get("evaluated_on", "")), "texts kept out of training")
        lines += ["", "## How good it is", "", f"On {report.get('n_texts', 0):,} texts: {where}.", ""]
        lines += ["| figure | value | 95 % interval | over the untuned base |", "|---|---|---|---|"]
        for figure in figures:
            value = percent(figure.value) if figure.is_share else f"{figure.value:.3f}"
            interval = ""
            if figure.interval is not None and figure.is_share:
                interval = f"{percent(figure.interval[0])} to {percent(figure.interval[1])}"
            elif figure.interval is not None:
                interval = f"{figure.interval[0]:.3f} to {figure.interval[1]:.3f}"
            gain = "" if figure.gain is None else points(figure.gain) if figure.is_share else f"{-figure.gain:+.3f}"
            lines.append(f"| {figure.name} | {value} | {interval} | {gain} |")
    per_label = report.get("per_label") or []
    if per_label:
        lines += ["", "| label | texts | precision | recall | F1 |", "|---|---|---|---|---|"]
        lines += [
            f"| {_line(one['label'])} | {one['support']:,} | {percent(one['precision'])} | {percent(one['recall'])} "
            f"| {percent(one['f1'])} |"
            for one in per_label
        ]
    if version.warnings:
        lines += ["", "## What to know", ""] + [f"- {_line(warning)}" for warning in version.warnings]
    lines += ["", "## Limits", ""]
    lines.append("It knows these labels only, and was measured on texts like those it was trained on. Texts of another")
    lines.append("kind, or in another language, may get confident wrong answers: try some before you rely on it.")
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    """A name within one line of Markdown, none of its characters taken for markup."""
    flat = " ".join(text.replace("\0", "␀").split())
    return "".join(f"\\{character}" if character in r"\`*_{}[]<>()#|!~" else character for character in flat)


def _sent(opened: OpenedFile) -> Response:
    headers = {
        "Content-Disposition": attachment(opened.filename),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    if opened.size_bytes is not None:
        headers["Content-Length"] = str(opened.size_bytes)
    return StreamingResponse(opened.chunks, media_type=opened.media_type, headers=headers)
