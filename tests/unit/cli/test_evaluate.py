import json
import shutil
from pathlib import Path

from fewfit import Classifier
from tests.unit.cli.conftest import Run, examples


def test_figures_and_labels_are_shown(run: Run, model: Path, tickets: Path) -> None:
    ran = run("evaluate", model, tickets)

    assert ran.exit_code == 0
    for words in ("On 48 texts of tickets.csv", "macro F1", "95 % interval", "frozen base", "By label", "parcel"):
        assert words in ran.stdout
    assert "true label, by label given" in ran.stdout


def test_texts_that_the_model_was_trained_on_are_named(run: Run, toy_base: Path, tmp_path: Path) -> None:
    lines = [f"<p>{example.text},{example.labels[0]}\n" for example in examples()]
    (tmp_path / "data.csv").write_text("text,label\n" + "".join(lines[2:]))
    (tmp_path / "test.csv").write_text("text,label\n" + "".join(lines[:4]).upper().replace(",PARCEL\n", ",parcel\n"))
    options = ["-b", toy_base, "--effort", "quick", "--clean"]
    run("train", tmp_path / "data.csv", "-o", tmp_path / "kept", *options)
    run("train", tmp_path / "data.csv", "-o", tmp_path / "unkept", *options, "--no-keep-examples")

    kept, unkept = (run("evaluate", tmp_path / name, tmp_path / "test.csv") for name in ("kept", "unkept"))

    said = " ".join(kept.stderr.split())
    assert "2 of the 4 texts to evaluate on are in the training data, too: rows 4, 5." in said
    assert (kept.exit_code, unkept.exit_code) == (0, 0)
    assert "in the training data" not in unkept.stderr


def test_labels_of_the_model_are_not_split(run: Run, toy_base: Path, tmp_path: Path) -> None:
    names = {"parcel": "Sales, EU|urgent", "card": "Sales, EU", "film": "other"}
    lines = [f'{example.text},"{names[example.labels[0]]}"\n' for example in examples()]
    (tmp_path / "data.csv").write_text("text,label\n" + "".join(lines))
    (tmp_path / "test.csv").write_text("text,label\n" + "".join(line for line in lines if "urgent" not in line))
    options = ["-b", toy_base, "--effort", "quick"]

    trained = run("train", tmp_path / "data.csv", "-o", tmp_path / "m", *options, "--eval", tmp_path / "test.csv")
    ran = run("evaluate", tmp_path / "m", tmp_path / "test.csv")
    updated = run("update", tmp_path / "m", tmp_path / "test.csv", "-o", tmp_path / "m", "--json")

    assert "On 32 texts not trained on" in trained.stdout
    assert "On 32 texts of test.csv" in ran.stdout
    assert json.loads(updated.stdout)["new_labels"] == []


def test_labels_that_more_examples_are_worth_most_for_are_named(run: Run, model: Path, tmp_path: Path) -> None:
    texts = [example.text for example in examples()]
    by_answer = dict(zip(Classifier.load(model).predict(texts), texts, strict=True))
    rows = [(by_answer["parcel"], "parcel"), (by_answer["card"], "card"), (by_answer["parcel"] + " ", "film")]
    rows.append((by_answer["card"] + " ", "film"))
    (tmp_path / "test.csv").write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))

    ran = run("evaluate", model, tmp_path / "test.csv")

    assert "More examples are worth most for 'film' (F1 0%, 16 examples)" in ran.stderr
    assert "Wrong, and most sure of it" in ran.stdout


def test_json_is_for_programs(run: Run, tag_model: Path, tags: Path) -> None:
    ran = run("evaluate", tag_model, tags, "--json")

    figures = json.loads(ran.stdout)
    assert figures["n_texts"] == 48
    assert 0 <= figures["metrics"]["macro_f1"] <= 1
    assert [label["label"] for label in figures["per_label"]] == ["card", "parcel", "urgent"]
    assert figures["report"]["ok"] is True


def test_rows_with_unknown_labels_are_left_out_with_a_warning(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text,label\nmy parcel,parcel\nmy dog,dog\n")

    ran = run("evaluate", model, tmp_path / "test.csv", "--json")

    assert json.loads(ran.stdout)["n_texts"] == 1
    assert "('dog') left out: row 3" in ran.stderr


def test_a_comparison_that_cannot_be_made_is_missing_and_said(
    run: Run, model: Path, tickets: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(model, tmp_path / "moved")
    manifest = json.loads((moved / "model.json").read_text(encoding="utf-8"))
    manifest["base"]["source"] = str(tmp_path / "nowhere")
    (moved / "model.json").write_text(json.dumps(manifest), encoding="utf-8")

    ran = run("evaluate", moved, tickets, "--json")

    assert json.loads(ran.stdout)["frozen"] is None
    assert "Not compared with the frozen base" in ran.stderr


def test_nothing_to_compare_is_an_error(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text,label\nmy dog,dog\n")

    ran = run("evaluate", model, tmp_path / "test.csv")

    assert ran.exit_code == 3
    assert "no example with a label that the model knows" in ran.stderr


def test_a_file_of_the_other_kind_is_an_error_with_rows(run: Run, model: Path, tags: Path) -> None:
    ran = run("evaluate", model, tags)

    assert ran.exit_code == 3
    assert "the data are single-label" in ran.stderr
