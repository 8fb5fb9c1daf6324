import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fewfit.service.store.database import FILE, Database
from fewfit.testing import write_toy_base
from tests.unit.service.shop import Shop, settings_for

OpenShop = Callable[..., Shop]


@pytest.fixture(scope="session")
def small_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a base that trains in a blink."""
    return write_toy_base(tmp_path_factory.mktemp("bases") / "small", layers=2, hidden=16, heads=2)


@pytest.fixture
def store_settings() -> dict[str, Any]:
    """Where the store is: SQLite and a folder here; the integration tests put other stores in its place."""
    return {}


@pytest.fixture(scope="session")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database that was brought to the newest schema, once: it is most of what opening a shop takes."""
    folder = tmp_path_factory.mktemp("database")
    database = Database("", folder)
    database.migrate()
    database.close()
    return folder / FILE


@pytest.fixture
def open_shop(
    tmp_path: Path, small_base: Path, store_settings: dict[str, Any], new_database: Path
) -> Iterator[OpenShop]:
    """Opens a shop, with other settings if given; several on one store are several servers."""
    shops: list[Shop] = []

    def open_one(**changes: Any) -> Shop:
        settings = settings_for(tmp_path, small_base, **store_settings | changes)
        if not settings.database_url and not settings.data.exists():
            settings.data.mkdir()
            shutil.copy(new_database, settings.data)
        shops.append(Shop(settings))
        return shops[-1]

    yield open_one
    for shop in shops:
        shop.close()


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    return open_shop()
