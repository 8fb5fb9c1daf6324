import json
import shutil
from pathlib import Path

from tests.unit.cli.conftest import Run, examples


def test_a_model_takes_in_more_examples_where_it_is(run: Run, model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    (tmp_path / "more.csv").write_text("text,label\nrain in the north,rain\nmuch rain,rain\nthe card again,card\n")

    ran = run("update", folder, tmp_path / "more.csv", "-o", folder, "--json")

    assert ran.exit_code == 0, ran.stderr
    done = json.loads(ran.stdout)
    assert done["new_labels"] == ["rain"]
    assert (done["n_added"], done["n_examples"], done["retrain"]) == (3, 51, True)
    assert "likely to pay: The encoder was never tuned to tell 'rain'" in ran.stderr
    about = json.loads(run("info", folder, "--json").stdout)
    assert about["labels"] == ["card", "film", "parcel", "rain"]
    assert "rain" in run("classify", folder, "--all", stdin="much rain\n").stdout


def test_a_label_that_the_model_knows_in_another_spelling_is_told(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("text,label\nmuch rain,rain\nmy card is lost,Card\nthe card again,card\n")

    ran = run("update", model, tmp_path / "more.csv", "-o", tmp_path / "m")

    assert ran.exit_code == 0
    assert "1 label new to the model" in ran.stderr
    assert "'Card' beside 'card'" in ran.stderr


def test_figures_are_shown(run: Run, tag_model: Path, tags: Path, tmp_path: Path) -> None:
    ran = run("update", tag_model, tags, "-o", tmp_path / "new")

    assert ran.exit_code == 0, ran.stderr
    assert "before the update" in ran.stdout
    assert "0 examples added, 48 replaced, 48 in all" in ran.stderr


def test_a_place_that_holds_something_else_is_refused_first(
    run: Run, model: Path, tickets: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")

    assert run("update", model, tickets, "-o", tmp_path / "notes").exit_code == 5


def test_a_row_that_lacks_a_group_is_named_as_the_file_has_it(run: Run, toy_base: Path, tmp_path: Path) -> None:
    lines = [f"{e.text},topic: {e.labels[0]}|tone: {'calm' if e.row % 2 else 'upset'}\n" for e in examples()]
    (tmp_path / "data.csv").write_text("text,label\n" + "".join(lines))
    options = ["-b", toy_base, "--effort", "quick", "--group-separator", ": "]
    run("train", tmp_path / "data.csv", "-o", tmp_path / "m", *options)
    (tmp_path / "more.csv").write_text("text,label\nrain,topic: rain|tone: calm\n\nmuch rain,topic: rain\n")

    ran = run("update", tmp_path / "m", tmp_path / "more.csv", "-o", tmp_path / "m")

    assert ran.exit_code == 3
    assert "more.csv: Row 4 has no label of the group 'tone'; expected one." in ran.stderr


def test_the_same_file_twice_adds_nothing_the_second_time(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("text,label\nmuch rain,card\nmuch rain,film\na late parcel again,parcel\n")
    (tmp_path / "one.csv").write_text("text,label\nmy card is lost,card\n")

    first = run("update", model, tmp_path / "more.csv", "-o", tmp_path / "m")
    second = run("update", tmp_path / "m", tmp_path / "more.csv", "-o", tmp_path / "m")
    one = run("update", tmp_path / "m", tmp_path / "one.csv", "-o", tmp_path / "m")

    assert "1 text with different labels in different rows: 'much rain' is 'card' in row 2" in first.stderr
    assert "[conflicting_labels]" in first.stderr
    added = [line.split(";")[0] for ran in (first, second, one) for line in ran.stderr.splitlines() if "added" in line]
    assert added == [
        "3 examples added, 51 in all",
        "0 examples added, 3 replaced, 51 in all",
        "1 example added, 52 in all",
    ]


def test_info_says_that_a_model_was_updated(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("text,label\nrain in the north,rain\nmuch rain,rain\n")
    (tmp_path / "again.csv").write_text("text,label\nmuch rain,rain\n")
    run("update", model, tmp_path / "more.csv", "-o", tmp_path / "m")
    once = " ".join(run("info", tmp_path / "m").stdout.split())
    run("update", tmp_path / "m", tmp_path / "again.csv", "-o", tmp_path / "m")
    twice = " ".join(run("info", tmp_path / "m").stdout.split())

    assert "48 texts, seed 0, in" in once
    assert "2 examples taken in since training; new labels: rain; 50 texts in all" in once.replace("│ ", "")
    assert "likely to pay: The encoder was never tuned to tell 'rain'" in once.replace("│ ", "")
    assert "3 examples taken in since training, in 2 updates; new labels: rain; 50 texts" in twice.replace("│ ", "")
    assert "updated" not in run("info", model).stdout


def test_an_updated_model_is_not_compared_and_says_why(run: Run, model: Path, tickets: Path, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("text,label\na parcel more,parcel\n")
    assert run("update", model, tmp_path / "more.csv", "-o", tmp_path / "updated").exit_code == 0
    ran = run("evaluate", tmp_path / "updated", tickets)
    assert "Not compared with the frozen base, since the model was updated after it was trained." in ran.said
