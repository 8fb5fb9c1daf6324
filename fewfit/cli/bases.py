"""`fewfit bases`: the pretrained encoders that models stand on."""

from typing import Annotated, Any

import typer
from rich.table import Table

from fewfit.cli.app import Commands, app
from fewfit.cli.base import base_argument
from fewfit.cli.console import fetch_progress, say, show, show_json, show_log
from fewfit.cli.options import Json, Quiet
from fewfit.encoders.bases import known_bases
from fewfit.encoders.weights import fetch_base, on_this_machine

_bases = typer.Typer(cls=Commands, no_args_is_help=False, rich_markup_mode="markdown")
app.add_typer(_bases, name="bases")


@_bases.callback(invoke_without_command=True)
def bases(ctx: typer.Context, as_json: Json = False) -> None:
    """List the bases that have a name, and which of them are on this machine.

    Any Hugging Face id of an encoder and any folder in sentence-transformers or transformers format is a
    base, too.
    """
    if ctx.invoked_subcommand is not None:
        return
    show_log(quiet=True)
    found = [(base, on_this_machine(base)) for base in known_bases().values()]
    if as_json:
        listing: list[dict[str, Any]] = [
            {
                "name": base.name,
                "summary": base.summary,
                "languages": base.languages,
                "size_mb": base.size_mb,
                "here": weights is not None,
                "folder": str(weights.folder) if weights else None,
                "digest": weights.digest if weights else None,
            }
            for base, weights in found
        ]
        show_json(listing)
        return
    table = Table()
    for column in ("name", "what it is for", "languages", "size", "here"):
        table.add_column(column, justify="right" if column == "size" else "left")
    for base, weights in found:
        table.add_row(base.name, base.summary, base.languages, f"{base.size_mb} MB", "yes" if weights else "no")
    show(table)
    say("Fetch one with: fewfit bases fetch NAME. Training fetches what it needs.", style="dim")


@_bases.command()
def fetch(
    names: Annotated[
        list[str], typer.Argument(help="Names from 'fewfit bases', or Hugging Face ids.", show_default=False)
    ],
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fetch bases onto this machine, so that training and classifying need no network.

    **Example:** `fewfit bases fetch english-small`
    """
    show_log(quiet=quiet)
    fetched = []
    for name in names:
        with fetch_progress(quiet=quiet) as on_progress:
            weights = fetch_base(base_argument(name), on_progress=on_progress)
        fetched.append({"name": weights.name, "folder": str(weights.folder), "digest": weights.digest})
        if not quiet:
            say(f"{weights.name} is here ({weights.folder}, from {weights.source}).", style="green")
            if weights.name != name and name in known_bases():
                say(f"{name} is not to be had here; {weights.name} stands in for it.", style="yellow")
    if as_json:
        show_json(fetched)
