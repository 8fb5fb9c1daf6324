from pathlib import Path

import pytest

from fewfit.testing import write_toy_base


@pytest.fixture(scope="session")
def toy_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random BERT: 4 layers, 32 wide, reads 64 tokens. Do not write into it."""
    return write_toy_base(tmp_path_factory.mktemp("bases") / "toy")
