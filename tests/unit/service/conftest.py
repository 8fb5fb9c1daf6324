from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture
def open_shop(tmp_path: Path, small_base: Path, store_settings: dict[str, Any]) -> Iterator[OpenShop]:
    """Opens a shop, with other settings if given; several on one store are several servers."""
    shops: list[Shop] = []

    def open_one(**changes: Any) -> Shop:
        shops.append(Shop(settings_for(tmp_path, small_base, **store_settings | changes)))
        return shops[-1]

    yield open_one
    for shop in shops:
        shop.close()


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    return open_shop()
