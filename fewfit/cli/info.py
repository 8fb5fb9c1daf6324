"""`fewfit info`: what a saved model is."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from fewfit.artifact import Manifest, read_manifest
from fewfit.cli.app import app
from fewfit.cli.console import show, show_json
from fewfit.cli.options import Json
from fewfit.cli.results import cross_validation_title, metrics_table
from fewfit.data.report import counted, listed


@app.command()
def info(
    model: Annotated[Path, typer.Argument(help="A model folder, as 'fewfit train' makes it.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Show what a saved model is: labels, base, training, figures, warnings.

    **Example:** `fewfit info tickets-model/`
    """
    manifest = read_manifest(model)
    if as_json:
        show_json({"model": str(model), **asdict(manifest)})
        return
    show(_about(model, manifest))
    evaluation = manifest.metrics.get("evaluation")
    if evaluation:
        title = f"On {evaluation['n_texts']} texts not trained on"
        show(_figures(title, manifest, evaluation))
    elif evaluation := manifest.metrics.get("cross_validation"):
        title = cross_validation_title(evaluation)
        if manifest.training.get("updates"):
            title += " (before the model was updated)"
        show(_figures(title, manifest, evaluation))


def _figures(title: str, manifest: Manifest, evaluation: Mapping[str, Any]) -> Table:
    figures, intervals = evaluation["metrics"], evaluation.get("intervals")
    return metrics_table(title, manifest.kind, figures, evaluation["frozen"], intervals)


def _kind(manifest: Manifest) -> str:
    if manifest.kind == "single":
        return "one label a text"
    return "multilabel" if manifest.training.get("group_separator") is None else "one label of each group"


def _about(model: Path, manifest: Manifest) -> Table:
    base, training = manifest.base, manifest.training
    table = Table(title=str(model), title_justify="left", title_style="bold", show_header=False)
    table.add_column(style="dim")
    table.add_column()
    rows = {
        "kind": _kind(manifest),
        "labels": f"{len(manifest.labels)}: {listed(manifest.labels, shown=20)}",
        "base": f"{base.name} ({base.digest[:12]}), from {base.source}",
        "tuned": base.tail_in_words if manifest.tuned else "the head alone",
        "reads": _reads(manifest),
        "trained on": f"{training.get('n_tuned', training.get('n_texts', '?'))} texts, "
        f"seed {training.get('seed', '?')}, in {training.get('elapsed_s', 0):.0f} s of training",
        **_asked_for(training),
        "made": f"{manifest.created_at} by fewfit {manifest.fewfit_version}",
        **_updated(training),
        "served": _served(manifest.serving),
        "fast tier": manifest.fast.get("reason", "none (fewfit distil makes one)"),
        "warnings": "\n".join(manifest.warnings) or "none",
    }
    for name, value in rows.items():
        table.add_row(name, escape(value))
    return table


def _asked_for(training: Mapping[str, Any]) -> dict[str, str]:
    """What was chosen for a model beyond what every model has, by the name of its row."""
    rows = {}
    if (separator := training.get("path_separator")) is not None:
        rows["paths"] = f"labels are paths, {separator!r} between their parts"
    if (separator := training.get("group_separator")) is not None:
        rows["groups"] = f"one label of each, {separator!r} between group and choice"
    if (share := training.get("reject")) is not None:
        rows["rejects"] = f"texts unlike all training texts, and at most {share:.1%} of ordinary ones"
    weights = training.get("class_weight", "balanced")
    if weights is None:
        rows["label weights"] = "none: labels count as often as they occur"
    elif isinstance(weights, Mapping):
        rows["label weights"] = listed([f"{label} {weight:g}" for label, weight in weights.items()], shown=20)
    return rows


def _updated(training: Mapping[str, Any]) -> dict[str, str]:
    """What `fewfit update` took into a model since it was trained, by the name of its row."""
    updates = training.get("updates")
    if not updates:
        return {}
    n_examples = sum(update["n_texts"] for update in updates)
    what = f"{updates[-1]['created_at']}: {counted(n_examples, 'example')} taken in since training"
    if len(updates) > 1:
        what += f", in {len(updates)} updates"
    if labels := [label for update in updates for label in update["new_labels"]]:
        what += f"; new labels: {listed(labels, shown=20)}"
    rows = {"updated": f"{what}; {training['n_texts']} texts in all"}
    if reasons := updates[-1]["retrain"]:
        rows["train again"] = f"likely to pay: {' '.join(reasons)}"
    return rows


def _served(serving: Mapping[str, Any]) -> str:
    if not serving:
        return "by torch, in the precision it was trained in"
    cpu = serving.get("cpu", "another machine")
    return f"in {serving.get('precision', '?')}, checked against the trained model on {cpu}"


def _reads(manifest: Manifest) -> str:
    what = f"{manifest.max_length} tokens"
    if manifest.windows > 1:
        what += f", longer texts in up to {manifest.windows} windows of as many"
    if losses := manifest.training.get("reading", {}).get("losses"):
        what += f" (out-of-fold log-loss: cut {losses['cut']:.3f}, windows {losses['windows']:.3f})"
    return what + (", without markup and URLs" if manifest.clean else "")
