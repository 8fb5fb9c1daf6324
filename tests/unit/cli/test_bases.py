import json
from pathlib import Path

import pytest

from fewfit.encoders.weights import Weights
from tests.unit.cli.conftest import Run


def test_the_bases_are_listed(run: Run) -> None:
    ran = run("bases")

    assert ran.exit_code == 0
    for name in ("english", "english-small", "multilingual"):
        assert name in ran.stdout


def test_the_list_as_json(run: Run) -> None:
    listing = {base["name"]: base for base in json.loads(run("bases", "--json").stdout)}

    assert listing["english-small"]["languages"] == "English"
    assert listing["english-small"]["size_mb"] > 0
    assert isinstance(listing["english-small"]["here"], bool)


def test_fetching_says_where_the_base_is(run: Run, toy_base: Path) -> None:
    ran = run("bases", "fetch", toy_base, "--json")

    assert ran.exit_code == 0
    assert json.loads(ran.stdout)[0]["folder"] == str(toy_base)
    assert "is here" in ran.stderr


def test_a_stand_in_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "fewfit.cli.bases.fetch_base", lambda base, on_progress: Weights("multilingual-q4", Path("x"), "d", "a package")
    )

    ran = run("bases", "fetch", "multilingual")

    assert "multilingual-q4 stands in for it" in ran.stderr


def test_an_unknown_base(run: Run) -> None:
    ran = run("bases", "fetch", "nope")

    assert ran.exit_code == 4
    assert "english-small" in ran.stderr
