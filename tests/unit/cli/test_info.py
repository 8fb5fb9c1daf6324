import json
from pathlib import Path

from tests.unit.cli.conftest import Run


def test_what_a_model_is(run: Run, model: Path, toy_base: Path) -> None:
    ran = run("info", model)

    assert ran.exit_code == 0
    for words in ("one label a text", "3: card, film, parcel", str(toy_base), "48 texts"):
        assert words in ran.stdout


def test_the_manifest_as_json(run: Run, tag_model: Path) -> None:
    manifest = json.loads(run("info", tag_model, "--json").stdout)

    assert manifest["kind"] == "multi"
    assert manifest["labels"] == ["card", "parcel", "urgent"]
    assert manifest["base"]["digest"]


def test_no_model(run: Run, tmp_path: Path) -> None:
    ran = run("info", tmp_path)

    assert ran.exit_code == 5
    assert "model.json" in ran.stderr
