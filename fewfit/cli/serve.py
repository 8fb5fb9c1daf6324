"""`fewfit serve` and `fewfit worker`: the service over HTTP, and what works for it."""

import importlib.util
import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from fewfit.cli.app import app
from fewfit.cli.console import say
from fewfit.errors import MissingExtraError
from fewfit.logs import log_as_json
from fewfit.settings import SettingInfo, Settings

_FIRST = ("host", "port", "data")


def _serve(**flags: Any) -> None:
    """Serve fine-tuning and classification over HTTP, for the Cohere SDKs and the dashboard.

    Starts everything on this machine: the API, a worker that trains, a database and files in a folder. On
    the first start it prints an admin key, once. Every option can be given as an environment variable, too.

    **Example:** `fewfit serve --port 8000 --data fewfit-data`
    """
    settings = Settings.load(flags)
    server = server_part("fewfit.api.server")
    dashboard = server_part("fewfit.dashboard")
    if settings.workers:
        _check_worker_packages()
    log_as_json(settings.log_level)
    server.serve(settings, typer.echo, dashboard.create_dashboard)
    say("Stopped.", style="dim")


def server_part(module: str) -> Any:
    """A module that needs the server extra. Raises MissingExtraError where that is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _missing("Serving", error.name) from error


def _check_worker_packages() -> None:
    """Raises MissingExtraError where workers could not train. Torch is looked for and not read, which takes seconds."""
    if importlib.util.find_spec("torch") is None:
        raise _missing("A worker", "torch")


def _missing(what: str, package: str | None) -> MissingExtraError:
    return MissingExtraError(
        f"{what} needs packages that the plain install leaves out ({package} is missing). "
        'Install them with: pip install "fewfit[server,train]"'
    )


def option(item: SettingInfo) -> inspect.Parameter:
    """A setting as an option of the command line."""
    default = rf" \[default: {item.default}]" if str(item.default) else ""
    kind = str if item.kind is bool else item.kind
    annotation = Annotated[
        kind | None,  # type: ignore[valid-type]
        typer.Option(
            item.flag,
            help=item.help + default,
            show_default=False,
            metavar={int: "NUMBER", float: "NUMBER", Path: "FOLDER"}.get(item.kind, "TEXT"),
            rich_help_panel=None if item.name in _FIRST else "Settings",
        ),
    ]
    return inspect.Parameter(item.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


# The options are the settings' own table, so that flags, environment and docs say the same.
_serve.__signature__ = inspect.Signature([option(item) for item in Settings.table()])  # type: ignore[attr-defined]
app.command("serve")(_serve)


@app.command()
def worker(
    data: Annotated[Path | None, typer.Option("--data", metavar="FOLDER", help="Folder of the service.")] = None,
    database_url: Annotated[
        str | None, typer.Option("--database-url", metavar="URL", help="Database of the service, if not in the folder.")
    ] = None,
) -> None:
    """Work on the jobs of a service: validate, train, clean up. 'fewfit serve' starts one itself.

    All settings of 'fewfit serve' count here, too, as environment variables.
    """
    settings = Settings.load({"data": data, "database_url": database_url})
    run_worker = server_part("fewfit.service.jobs.worker").run_worker
    _check_worker_packages()
    log_as_json(settings.log_level)
    run_worker(settings)
