"""`fewfit keys`: API keys, for whoever has the service's data folder."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from fewfit.cli.app import Commands, app
from fewfit.cli.console import say, show, show_json
from fewfit.cli.options import Json
from fewfit.cli.serve import server_part
from fewfit.errors import InputError
from fewfit.settings import Settings

if TYPE_CHECKING:
    from fewfit.service.records import Key

_keys = typer.Typer(
    cls=Commands, no_args_is_help=True, rich_markup_mode="markdown", help="Make, list and revoke API keys."
)
app.add_typer(_keys, name="keys")

Data = Annotated[
    Path | None, typer.Option("--data", metavar="FOLDER", help="Folder of the service, as in 'fewfit serve'.")
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option("--database-url", metavar="URL", help="Database of the service, where it is not in the folder."),
]
Organization = Annotated[
    str, typer.Option("--organization", metavar="NAME", help="Whose keys. Organisations see nothing of each other.")
]


@_keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.", show_default=False)],
    scopes: Annotated[
        str, typer.Option("--scopes", metavar="LIST", help="What it may do: read, classify, train, admin.")
    ] = "read,classify,train",
    days: Annotated[
        float | None,
        typer.Option("--days", metavar="DAYS", min=0, help="How long it is good for. For ever if left out."),
    ] = None,
    organization: Organization = "default",
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """Make a key. It is shown this once: only its hash is kept.

    **Example:** `fewfit keys create "web shop" --scopes classify`
    """
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with _service(data, database_url) as service:
        made = service.keys.create_for(
            organization, name=name, scopes=[scope.strip() for scope in scopes.split(",")], expires_at=expires_at
        )
    if as_json:
        show_json({"key": _plain(made.key), "secret": made.secret})
    else:
        typer.echo(made.secret)
        say("Keep it now; it cannot be shown again.", style="dim")


@_keys.command("list")
def list_keys(
    organization: Organization = "default",
    data: Data = None,
    database_url: DatabaseUrl = None,
    as_json: Json = False,
) -> None:
    """List an organisation's keys, without their secrets."""
    with _service_there(data, database_url) as service:
        found = service.keys.list_for(organization)
    if as_json:
        show_json([_plain(key) for key in found])
        return
    table = Table()
    for column in ("id", "name", "begins with", "may", "made", "last used", "state"):
        table.add_column(column)
    for key in found:
        used = f"{key.last_used_at:%Y-%m-%d}" if key.last_used_at else "never"
        table.add_row(
            key.id, key.name, key.hint, ", ".join(key.scopes), f"{key.created_at:%Y-%m-%d}", used, _state(key)
        )
    show(table)


@_keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, from 'fewfit keys list'.", show_default=False)],
    organization: Organization = "default",
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """End a key at once (running servers notice within seconds)."""
    with _service_there(data, database_url) as service:
        service.keys.revoke_for(organization, key_id)
    say(f"Key {key_id} is revoked.")


def _service(data: Path | None, database_url: str | None) -> Any:
    settings = Settings.load({"data": data, "database_url": database_url})
    return server_part("fewfit.service.service").Service.open(settings)


def _service_there(data: Path | None, database_url: str | None) -> Any:
    """Like `_service`, but none is made. Raises InputError where there is none."""
    settings = Settings.load({"data": data, "database_url": database_url})
    if not settings.database_url and not (settings.data / server_part("fewfit.service.store.database").FILE).exists():
        raise InputError(
            f"There is no service in {settings.data}. Give its folder with --data, or its database with --database-url."
        )
    return _service(data, database_url)


def _state(key: "Key") -> str:
    if key.revoked_at:
        return "revoked"
    return "expired" if key.expires_at and key.expires_at <= datetime.now(UTC) else "good"


def _plain(key: "Key") -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in vars(key).items()}
