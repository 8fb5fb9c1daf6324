from pathlib import Path

import pytest

from tests.unit.serving.models import ToyModel


@pytest.fixture(scope="session")
def toy(toy_base: Path) -> ToyModel:
    """A single-label model on the toy base, split in the middle."""
    return ToyModel(toy_base)


@pytest.fixture(scope="session")
def others(toy_base: Path) -> list[ToyModel]:
    """More models on the same trunk, each with a tail of its own."""
    return [ToyModel(toy_base, seed=seed, shift=0.02) for seed in (1, 2)]
