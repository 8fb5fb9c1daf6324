import json
import shutil
from pathlib import Path

import pytest

from fewfit import Classifier
from fewfit.data import Dataset, Example, write_dataset
from tests.unit.cli.conftest import Ran, Run, examples


def test_a_model_is_trained_saved_and_reported_on(run: Run, tickets: Path, toy_base: Path, tmp_path: Path) -> None:
    ran = run("train", tickets, "-o", tmp_path / "model", "--base", toy_base)

    assert ran.exit_code == 0
    assert "48 examples, one label a text; 3 labels (card, film, parcel)" in ran.stderr
    assert "Cross-validation: 48 texts, each answered by a model trained on at most 24 others" in ran.stdout
    assert "95 % interval" in ran.stdout
    assert "trained on all 48 texts" in ran.stderr
    assert "20 more examples are likely to add" in ran.stderr
    assert "frozen base" in ran.stdout
    assert "fewfit classify" in ran.stderr
    assert Classifier.load(tmp_path / "model").classes_.tolist() == ["card", "film", "parcel"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_json_on_standard_output_and_nothing_else(run: Run, tickets: Path, toy_base: Path, tmp_path: Path) -> None:
    ran = run(
        "train", tickets, "-o", tmp_path / "m", "--base", toy_base, "--effort", "quick", "--holdout", "0.25", "--json"
    )

    summary = json.loads(ran.stdout)
    assert summary["labels"] == ["card", "film", "parcel"]
    assert summary["n_texts"] == 36
    assert summary["metrics"]["evaluation"]["n_texts"] == 12
    assert summary["report"]["ok"] is True
    assert Classifier.load(tmp_path / "m").manifest_.metrics["evaluation"]["n_texts"] == 12


def test_warnings_name_the_rows_of_the_file_and_stay_with_the_model(run: Run, toy_base: Path, tmp_path: Path) -> None:
    rows = (*examples(), Example("where is my parcel", ("card",), 50), Example("film film", ("Film",), 51))
    write_dataset(Dataset(rows, "single"), tmp_path / "data.csv")

    ran = run("train", tmp_path / "data.csv", "-o", tmp_path / "m", "-b", toy_base, "--effort", "quick")

    assert ran.exit_code == 0
    assert "'parcel' in row 6 and 'card' in row 50" in ran.stderr
    assert ran.stderr.count("differ only by upper and lower case") == 1
    kept = Classifier.load(tmp_path / "m").warnings_
    assert any("row 50" in warning for warning in kept)
    assert any("differ only by" in warning for warning in kept)


def test_an_evaluation_file_is_read_like_the_training_file(
    run: Run, tags: Path, toy_base: Path, tmp_path: Path
) -> None:
    (tmp_path / "test.jsonl").write_text(
        '{"text": "my parcel is late", "label": ["parcel"]}\n'
        '{"text": "where is my parcel", "label": ["parcel", "unheard of"]}\n'
        '{"text": "the film was slow", "label": []}\n'
    )

    ran = run(
        "train", tags, "-o", tmp_path / "m", "-b", toy_base, "--effort", "quick", "--eval", tmp_path / "test.jsonl",
        "--json",
    )  # fmt: skip

    summary = json.loads(ran.stdout)
    assert summary["kind"] == "multi"
    assert summary["metrics"]["evaluation"]["n_texts"] == 2
    codes = {finding["code"]: finding["rows"] for finding in summary["report"]["findings"]}
    assert codes["unknown_label"] == [2]
    assert codes["leaked_text"] == [3]


def test_a_place_that_is_taken_is_refused_before_training(
    run: Run, tickets: Path, toy_base: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()

    for place in (tmp_path / "photos", tickets, tickets / "inside"):
        ran = run("train", tickets, "-o", place, "-b", toy_base)
        assert ran.exit_code == 5
        assert "Fine-tuned" not in ran.stderr
    assert (tmp_path / "photos" / "cat.jpg").exists()


def test_a_model_is_replaced_quietly_and_cleaning_is_kept_with_it(
    run: Run, model: Path, tags: Path, toy_base: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(model, tmp_path / "m")

    ran = run("train", tags, "-o", folder, "-b", toy_base, "--effort", "quick", "-q", "--clean", "--max-length", "20")

    assert (ran.exit_code, ran.stderr) == (0, "")
    manifest = Classifier.load(folder).manifest_
    assert (manifest.kind, manifest.clean, manifest.max_length) == ("multi", True, 20)
    assert list(tmp_path.iterdir()) == [folder]


def test_unlabelled_texts_of_several_files_are_learnt_from(
    run: Run, tickets: Path, toy_base: Path, tmp_path: Path
) -> None:
    (tmp_path / "some.txt").write_text("".join(f"where is my parcel {number}\n" for number in range(40)))
    (tmp_path / "more.csv").write_text("text,date\n" + "".join(f"the film was slow {n},2020\n" for n in range(40)))
    others = ["--unlabelled", tmp_path / "some.txt", "--unlabelled", tmp_path / "more.csv"]

    ran = run("train", tickets, "-o", tmp_path / "m", "-b", toy_base, "--effort", "quick", *others)

    assert ran.exit_code == 0
    training = Classifier.load(tmp_path / "m").manifest_.training
    assert training["n_unlabelled"] == 80
    assert training["n_pseudo_labelled"] > 0
    assert f"on 48 texts and {training['n_pseudo_labelled']} of 80 unlabelled ones" in ran.stderr


def test_cancelling_leaves_nothing_behind(
    run: Run, tickets: Path, toy_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fewfit.artifact._put_in_place", interrupt)

    ran = run("train", tickets, "-o", tmp_path / "m", "-b", toy_base, "--effort", "quick")

    assert ran.exit_code == 130
    assert "Cancelled; nothing was written." in ran.stderr
    assert list(tmp_path.iterdir()) == []


def test_labels_in_groups_are_answered_and_measured(run: Run, toy_base: Path, tmp_path: Path) -> None:
    lines = [
        f"{example.text},topic: {example.labels[0]}|tone: {'calm' if number % 2 else 'upset'}\n"
        for number, example in enumerate(examples())
    ]
    (tmp_path / "data.csv").write_text("text,label\n" + "".join(lines))
    options = ["--label-separator", "|", "--group-separator", ": "]

    ran = run("train", tmp_path / "data.csv", "-o", tmp_path / "m", "-b", toy_base, "--effort", "quick", *options)

    assert ran.exit_code == 0
    assert Classifier.load(tmp_path / "m").label_groups_.names == ("tone", "topic")
    answered = run("classify", tmp_path / "m", tmp_path / "data.csv", "--format", "jsonl")
    labels = [json.loads(line)["label"] for line in answered.stdout.splitlines()]
    assert len(labels) == len(lines)
    assert all(
        len([label for label in row if label.startswith(group)]) == 1 for row in labels for group in ("topic", "tone")
    )
    about = run("info", tmp_path / "m").stdout
    assert "one label of each group" in about
    assert "one label of each, ': ' between group and choice" in about.replace("  ", " ")


def test_long_texts_are_read_in_windows_where_that_is_asked_for(
    run: Run, tickets: Path, toy_base: Path, tmp_path: Path
) -> None:
    options = ("--base", toy_base, "--effort", "quick", "--max-length", "8", "--long-texts", "windows")
    ran = run("train", tickets, "-o", tmp_path / "model", *options)

    assert ran.exit_code == 0
    assert "They are read in windows of that length." in " ".join(ran.stderr.split())
    assert "Texts of more than 8 tokens are read in up to 8 windows." in " ".join(ran.stderr.split())
    about = " ".join(run("info", tmp_path / "model").stdout.split())
    assert "8 tokens, longer texts in up to 8 windows of as many" in about


def test_both_ways_of_reading_long_texts_are_compared_and_reported(
    run: Run, tickets: Path, toy_base: Path, tmp_path: Path
) -> None:
    ran = run("train", tickets, "-o", tmp_path / "model", "--base", toy_base, "--max-length", "8")

    assert ran.exit_code == 0
    assert "They are cut there, unless training finds" in " ".join(ran.stderr.split())
    about = " ".join(run("info", tmp_path / "model").stdout.split())
    assert "(out-of-fold log-loss: cut 0." in about or "(out-of-fold log-loss: cut 1." in about


def _grouped(path: Path, *, but: dict[int, str]) -> Path:
    """A CSV file whose labels are in groups; `but` are other label cells, by the line in the file."""
    lines = [f"{e.text},topic: {e.labels[0]}|tone: {'calm' if e.row % 2 else 'upset'}" for e in examples()]
    for row, cell in but.items():
        lines[row - 2] = f"{lines[row - 2].split(',')[0]},{cell}"
    path.write_text("text,label\n" + "\n".join(lines) + "\n")
    return path


def test_a_row_that_lacks_a_group_is_named_as_the_file_has_it(run: Run, toy_base: Path, tmp_path: Path) -> None:
    # The copy in row 4 is left out before training; rows are counted all the same.
    first = f"topic: {examples()[0].labels[0]}|tone: upset"
    data = _grouped(tmp_path / "gb.csv", but={4: first, 7: "topic: parcel", 9: "topic: parcel"})

    ran = run("train", data, "-o", tmp_path / "m", "-b", toy_base, "--group-separator", ": ")

    assert ran.exit_code == 3
    assert "gb.csv: Row 7 has no label of the group 'tone'; expected one. Not just one either: row 9." in ran.stderr


def test_a_group_separator_makes_the_data_multilabel(run: Run, toy_base: Path, tmp_path: Path) -> None:
    data = _grouped(tmp_path / "gb.csv", but={})
    options = ["-b", toy_base, "--effort", "quick", "--group-separator", ": "]

    ran = run("train", data, "-o", tmp_path / "m", *options)
    single = run("train", data, "-o", tmp_path / "s", *options, "--kind", "single")

    assert ran.exit_code == 0, ran.stderr
    assert Classifier.load(tmp_path / "m").label_groups_.names == ("tone", "topic")
    assert single.exit_code == 3
    assert "gb.csv: Each text has one label, such as 'topic: card|tone: calm'; expected a list" in single.stderr
    assert "--kind multi or --label-separator" in single.stderr


def test_unlabelled_files_are_read_as_classify_reads_them(run: Run, toy_base: Path, tmp_path: Path) -> None:
    data = "body,label\n" + "".join(f"{e.text},{e.labels[0]}\n" for e in examples())
    (tmp_path / "data.csv").write_text(data)
    (tmp_path / "lines.txt").write_text("body and soul; a film\nanother film\n")
    (tmp_path / "body.csv").write_text("title;body\nold;a late parcel again\n")
    (tmp_path / "other.jsonl").write_text('{"message": "my card again"}\n')
    (tmp_path / "bare.csv").write_text("the first text\nthe second text\n")
    files = ("lines.txt", "body.csv", "other.jsonl", "bare.csv")
    others = [part for name in files for part in ("--unlabelled", tmp_path / name)]
    options = ["-b", toy_base, "--effort", "quick", "--text-column", "body"]

    ran = run("train", tmp_path / "data.csv", "-o", tmp_path / "m", *options, *others)
    (tmp_path / "data.csv").write_text(data.replace(",", ";"))
    again = run("train", tmp_path / "data.csv", "-o", tmp_path / "n", *options, "--delimiter", ";", *others)

    for made, folder in ((ran, "m"), (again, "n")):
        assert made.exit_code == 0, made.stderr
        assert Classifier.load(tmp_path / folder).manifest_.training["n_unlabelled"] == 6


def test_unlabelled_files_that_cannot_be_used_are_told(run: Run, tickets: Path, toy_base: Path, tmp_path: Path) -> None:
    for name, content in (("e.txt", b""), ("blank.txt", b" \n\n"), ("bad.txt", b"a film\nbad \xe9 byte\n")):
        (tmp_path / name).write_bytes(content)

    def train(name: str, *options: str) -> Ran:
        others = ["--unlabelled", tmp_path / name, *options]
        return run("train", tickets, "-o", tmp_path / "m", "-b", toy_base, "--effort", "quick", *others)

    empty, blank, skipped = train("e.txt"), train("blank.txt"), train("bad.txt", "--skip-malformed")
    assert (empty.exit_code, blank.exit_code) == (3, 3)
    assert "e.txt: The file is empty. Give a file" in empty.stderr
    assert "blank.txt: The file has no texts." in blank.stderr
    assert skipped.exit_code == 0
    assert "warning: bad.txt: 1 row is not valid UTF-8; skipped: row 2" in skipped.stderr


def test_unlabelled_texts_that_are_all_known_are_told(run: Run, tickets: Path, toy_base: Path, tmp_path: Path) -> None:
    ran = run("train", tickets, "-o", tmp_path / "m", "-b", toy_base, "--effort", "quick", "--unlabelled", tickets)

    assert "No unlabelled text is learnt from: 48 texts were given, and each is empty or a training text." in ran.stderr


@pytest.mark.parametrize(
    ("options", "exit_code", "words"),
    [
        (["--class-weight", "none", "--class-weight", "card=2"], 2, "--class-weight none stands alone"),
        (["--class-weight", "card=2", "--class-weight", "card=3"], 2, "--class-weight is given more than once for"),
        (["--class-weight", "dog=2"], 3, "--class-weight: A class weight is for the label 'dog', which the data"),
        (["--seed", "-1"], 2, "'--seed'"),
        (["--class-weight", "dog=2"], 3, "A class weight is for the label 'dog'"),
        (["--class-weight", "card=-1"], 3, "The class weight of 'card' is -1.0; expected a number above 0."),
        (["--reject", "0"], 3, "--reject is 0; expected a share between 0 and 1, such as 0.05."),
        (["--reject", "nan"], 3, "--reject is nan; expected a share"),
        (["--reject", "0.05", "--effort", "quick"], 3, "--effort quick holds none out. Take --effort balanced."),
        (["--path-separator", ""], 3, "The path separator is ''; expected what stands between the parts"),
        (["--path-separator", " / "], 3, "No label has ' / ' in it, such as 'card'; expected paths"),
        (["--kind", "multi", "--reject", "0.05"], 3, "--reject is for data with one label a text; tickets.csv is"),
        (["--kind", "multi", "--unlabelled", "x.txt"], 3, "--unlabelled is for data with one label a text"),
        (["--kind", "multi", "--path-separator", " > "], 3, "--path-separator is for data with one label a text"),
    ],
)
def test_options_that_cannot_be_honoured_are_told_in_their_own_words(
    run: Run, tickets: Path, toy_base: Path, tmp_path: Path, options: list[str], exit_code: int, words: str
) -> None:
    ran = run("train", tickets, "-o", tmp_path / "m", "-b", toy_base, *options)

    assert ran.exit_code == exit_code
    assert words in " ".join(ran.stderr.replace("│", " ").split())
    assert "Fine-tuned" not in ran.stderr


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("", "There are no examples."),
        ('" ",card\n"",film\n', "There are no examples."),
        ("a,card\nb,card\n", "There is only the label 'card'"),
    ],
)
def test_errors_in_the_data_are_said_once(
    run: Run, model: Path, toy_base: Path, tmp_path: Path, rows: str, words: str
) -> None:
    (tmp_path / "h.csv").write_text("text,label\n" + rows)

    trained = run("train", tmp_path / "h.csv", "-o", tmp_path / "m", "-b", toy_base)
    updated = run("update", model, tmp_path / "h.csv", "-o", tmp_path / "u") if "no examples" in words else trained

    for ran in (trained, updated):
        assert ran.exit_code == 3
        assert ran.stderr.count(words) == ran.stderr.count("error") == 1
        assert f"h.csv: {words}" in ran.stderr
        assert ("2 rows have no text and are left out" in ran.stderr) == rows.startswith('" "')


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((), "Not evaluated: no label has a second example to hold out. Give --eval FILE."),
        (("--holdout", "0.5"), "Not evaluated: --holdout 0.5 held nothing back, as no label has a second example."),
        (("--effort", "quick"), "Not evaluated: --effort quick holds nothing out. Give --eval FILE or --holdout 0.2."),
    ],
)
def test_why_nothing_was_evaluated_is_said(
    run: Run, toy_base: Path, tmp_path: Path, options: tuple[str, ...], why: str
) -> None:
    (tmp_path / "ones.csv").write_text("text,label\nmy card,card\nmy parcel,parcel\nthe film,film\n")
    ran = run("train", tmp_path / "ones.csv", "-o", tmp_path / "a model", "--base", toy_base, *options)
    assert ran.exit_code == 0
    assert why in ran.said
    assert f"Classify with: fewfit classify '{tmp_path / 'a model'}' texts.txt" in ran.said
