from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Unit tests neither read nor change the weights that this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEWFIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
