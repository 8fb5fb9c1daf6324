import json
from pathlib import Path

from tests.unit.cli.conftest import Run, examples


def test_what_a_model_is(run: Run, model: Path, toy_base: Path) -> None:
    ran = run("info", model)

    assert ran.exit_code == 0
    for words in ("one label a text", "3: card, film, parcel", str(toy_base), "48 texts"):
        assert words in ran.stdout


def test_how_a_model_is_served_and_how_long_its_training_took(run: Run, model: Path) -> None:
    manifest = json.loads(run("info", model, "--json").stdout)

    about = " ".join(run("info", model).stdout.split())

    assert f"in {manifest['serving']['precision']}, checked against the trained model on" in about
    assert f"in {manifest['training']['elapsed_s']:.0f} s of training" in about


def test_figures_from_before_an_update_are_called_so(run: Run, model: Path, tmp_path: Path) -> None:
    figures = {"n_texts": 48, "n_trained": 24, "metrics": {"accuracy": 0.9}, "frozen": None}
    manifest = json.loads((model / "model.json").read_text(encoding="utf-8"))
    manifest["metrics"]["cross_validation"] = figures
    (tmp_path / "model.json").write_text(json.dumps(manifest), encoding="utf-8")
    before = run("info", tmp_path).stdout
    update = {"created_at": "2026-01-01T00:00:00Z", "n_texts": 1, "new_labels": [], "retrain": []}
    manifest["training"] |= {"updates": [update], "n_tuned": 48, "n_texts": 49}
    (tmp_path / "model.json").write_text(json.dumps(manifest), encoding="utf-8")

    after = " ".join(run("info", tmp_path).stdout.split())

    assert "Cross-validation" in before
    assert "(before the model was updated)" not in before
    assert "others (before the model was updated)" in after
    assert "2026-01-01T00:00:00Z: 1 example taken in since training; 49 texts in all" in after


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
