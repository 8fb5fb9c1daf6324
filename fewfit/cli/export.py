"""`fewfit export`: a saved model as one ONNX file, for other programs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fewfit.artifact import read_artifact
from fewfit.cli.app import app
from fewfit.cli.console import say, show_json, show_log
from fewfit.cli.model import check_place
from fewfit.cli.options import Json, Quiet
from fewfit.serving.exporting import export_onnx


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A model folder, as 'fewfit train' makes it.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The file, ending in .onnx; replaced if it is there.", dir_okay=False
        ),
    ],
    precision: Annotated[
        Literal["fp32", "mixed", "int8"],
        typer.Option(
            "--precision",
            "-p",
            help="fp32: standard ONNX operators only. int8: a quarter of the size and faster; for onnxruntime. "
            "mixed: between the two.",
        ),
    ] = "fp32",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a model as one self-contained ONNX file that onnxruntime runs without fewfit.

    Weights, labels, thresholds and the tokenizer are all inside. The file is compared with the trained
    model before it is written.

    **Example:** `fewfit export tickets-model/ -o tickets.onnx`
    """
    show_log(quiet=quiet)
    check_place(output)
    artifact = read_artifact(model)
    parity = export_onnx(artifact, output, precision=precision)
    size_bytes = output.stat().st_size
    if as_json:
        show_json({"model": str(model), "file": str(output), "size_bytes": size_bytes, **parity.to_dict()})
    if quiet:
        return
    say(
        f"{output}: {size_bytes / 2**20:.0f} MB. On {parity.n_texts} texts its confidences differ from the trained "
        f"model's by {parity.p99_difference:.4f} (99th percentile).",
        style="green",
    )
    if artifact.manifest.clean:
        say("This model reads texts without markup and URLs: take them out before (fewfit.data.clean_text).")
