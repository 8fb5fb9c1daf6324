import logging
import os
from collections.abc import Iterator

import pytest

from fewfit.service.store import database

# What the product does; most unit tests do not wait for the disk.
PRODUCT_SYNCHRONOUS = database.SYNCHRONOUS


@pytest.fixture(scope="package", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """No unit test cuts the power: waiting for the disk was a quarter of what a test that trains took."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "SYNCHRONOUS", "OFF")
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="package", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Unit tests neither read nor change the weights that this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEWFIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def logging_as_a_library_has_it() -> None:
    """Commands set logging up for their whole process, also those that made a fixture; no test is to notice."""
    logger = logging.getLogger("fewfit")
    logger.handlers[:] = []
    logger.setLevel(logging.NOTSET)
    logger.propagate = True
