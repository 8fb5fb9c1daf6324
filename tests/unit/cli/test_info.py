import json
from pathlib import Path

from tests.unit.cli.conftest import Run, examples


def test_what_a_model_is(run: Run, model: Path, toy_base: Path) -> None:
    ran = run("info", model)

    assert ran.exit_code == 0
    for words in ("one label a text", "3: card, film, parcel", str(toy_base), "48 texts"):
        assert words in ran.stdout


def test_what_was_chosen_for_a_model_is_shown(run: Run, tickets: Path, toy_base: Path, tmp_path: Path) -> None:
    data = tmp_path / "paths.csv"
    data.write_text("text,label\n" + "".join(f"{e.text},shop > {e.labels[0]}\n" for e in examples()))
    chosen = ["--path-separator", " > ", "--reject", "0.2", "--class-weight", "shop > card=2"]
    run("train", data, "-o", tmp_path / "paths", "-b", toy_base, *chosen)
    run("train", tickets, "-o", tmp_path / "m", "-b", toy_base, "--effort", "quick", "--class-weight", "none")

    about = " ".join(run("info", tmp_path / "paths").stdout.split())
    assert "labels are paths, ' > ' between their parts" in about
    assert "texts unlike all training texts, and at most 20.0% of ordinary ones" in about
    assert "label weights" in about
    assert "shop > card 2" in about
    assert "none: labels count as often as they occur" in run("info", tmp_path / "m").stdout


def test_the_manifest_as_json(run: Run, tag_model: Path) -> None:
    manifest = json.loads(run("info", tag_model, "--json").stdout)

    assert manifest["kind"] == "multi"
    assert manifest["labels"] == ["card", "parcel", "urgent"]
    assert manifest["base"]["digest"]


def test_no_model(run: Run, tmp_path: Path) -> None:
    ran = run("info", tmp_path)

    assert ran.exit_code == 5
    assert "model.json" in ran.stderr
