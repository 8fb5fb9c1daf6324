import csv
import io
import json
from pathlib import Path

import pytest

from fewfit import Classifier
from fewfit.data import read_texts
from fewfit.serving.answers import Answers
from fewfit.serving.requests import Speed
from tests.unit.cli.conftest import Run, examples


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_answers_for_standard_input_as_csv(run: Run, model: Path) -> None:
    ran = run("classify", model, stdin='where is my parcel\n\nmy card, "again"\n')

    rows = table(ran.stdout)
    assert [(row["row"], row["text"]) for row in rows] == [("1", "where is my parcel"), ("3", 'my card, "again"')]
    assert all(row["label"] in ("parcel", "card", "film") for row in rows)
    assert all(0 < float(row["confidence"]) <= 1 for row in rows)
    assert ran.stderr == ""


def test_answers_as_jsonl_with_every_confidence(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("id;message\n1;where is my parcel\n2;what a film\n")

    ran = run("classify", model, tmp_path / "new.csv", "--format", "jsonl", "--all")

    answers = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [answer["row"] for answer in answers] == [2, 3]
    for answer in answers:
        assert sum(answer["confidences"].values()) == pytest.approx(1, abs=0.001)
        assert answer["confidences"][answer["label"]] == answer["confidence"] == max(answer["confidences"].values())


def test_several_files_one_after_the_other(run: Run, model: Path, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"text {name}\n")

    ran = run("classify", model, tmp_path / "a.txt", "-", tmp_path / "b.txt", stdin="text -\n")

    assert [row["text"] for row in table(ran.stdout)] == ["text a", "text -", "text b"]


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_the_batch_size_does_not_change_the_answers(run: Run, model: Path, batch_size: int) -> None:
    texts = "".join(f"{text}\n" for text in ("my parcel", "a much longer text about my card and the film", "film", "x"))

    assert run("classify", model, "--all", "--batch-size", str(batch_size), stdin=texts).stdout == (
        run("classify", model, "--all", stdin=texts).stdout
    )


def test_multilabel_answers(run: Run, tag_model: Path) -> None:
    texts = "where is my parcel\nthe film was slow\n"

    loose = run("classify", tag_model, "--threshold", "0", stdin=texts)
    strict = run("classify", tag_model, "--threshold", "1", "--format", "jsonl", stdin=texts)
    one = run("classify", tag_model, "--threshold", "1", "--threshold", "card=0", "-f", "jsonl", stdin=texts)

    for row in table(loose.stdout):
        assert sorted(row["label"].split("|")) == ["card", "parcel", "urgent"]
        scores = [float(score) for score in row["confidence"].split("|")]
        assert scores == sorted(scores, reverse=True)
    assert [json.loads(line)["label"] for line in strict.stdout.splitlines()] == [[], []]
    assert [json.loads(line)["label"] for line in one.stdout.splitlines()] == [["card"], ["card"]]


def test_a_single_label_model_gives_no_label_below_the_threshold(run: Run, model: Path) -> None:
    ran = run("classify", model, "--threshold", "1", "-f", "jsonl", stdin="where is my parcel\n")
    csv_row = table(run("classify", model, "--threshold", "1", stdin="where is my parcel\n").stdout)[0]

    answer = json.loads(ran.stdout)
    assert answer["label"] is None
    assert 0 < answer["confidence"] < 1
    assert csv_row["label"] == ""
    assert float(csv_row["confidence"]) == answer["confidence"]


@pytest.mark.parametrize(
    ("threshold", "words"),
    [("1.5", "from 0 to 1"), ("x", "from 0 to 1"), ("nan", "from 0 to 1"), ("card=", "from 0 to 1")],
)
def test_a_threshold_that_is_none_is_refused(run: Run, tag_model: Path, threshold: str, words: str) -> None:
    ran = run("classify", tag_model, "--threshold", threshold, stdin="a\n")

    assert ran.exit_code == 2
    assert words in ran.said


def test_a_threshold_that_is_given_twice_is_refused(run: Run, tag_model: Path) -> None:
    for twice, words in ((("0.5", "0.6"), "all labels"), (("card=0.5", "card=0.6"), "the label 'card'")):
        options = [part for value in twice for part in ("--threshold", value)]
        ran = run("classify", tag_model, *options, stdin="a\n")
        assert (ran.exit_code, ran.stdout) == (2, "")
        assert f"--threshold is given more than once for {words}" in ran.said


def test_thresholds_by_label_need_a_multilabel_model_and_its_labels(run: Run, model: Path, tag_model: Path) -> None:
    single = run("classify", model, "--threshold", "card=0.5", stdin="a\n")
    unknown = run("classify", tag_model, "--threshold", "nobody=0.5", stdin="a\n")

    assert (single.exit_code, unknown.exit_code) == (3, 3)
    assert "single-label model" in single.stderr
    assert "no label 'nobody'" in unknown.stderr


def test_texts_before_a_malformed_row_are_answered(run: Run, model: Path) -> None:
    ran = run("classify", model, stdin=b"my parcel\nbad \xe9 byte\nmy card\n")

    assert ran.exit_code == 3
    assert [row["text"] for row in table(ran.stdout)] == ["my parcel"]
    assert "row 2 (byte 0xE9" in ran.stderr


def test_malformed_rows_can_be_left_out(run: Run, model: Path) -> None:
    ran = run("classify", model, "--skip-malformed", stdin=b"my parcel\nbad \xe9 byte\nmy card\n")

    assert ran.exit_code == 0
    assert [row["row"] for row in table(ran.stdout)] == ["1", "3"]
    assert "skipped: row 2" in ran.stderr


def test_doubts_of_reading_are_told_without_any_option(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("parcels we lost\nwhere is my parcel\n")
    (tmp_path / "bad.csv").write_bytes(b"parcels we lost\nbad \xe9 byte\nmy card\n")

    told = run("classify", model, tmp_path / "bare.csv")
    quiet = run("classify", model, tmp_path / "bare.csv", "-q")
    stopped = run("classify", model, tmp_path / "bad.csv")

    assert (told.exit_code, len(table(told.stdout))) == (0, 2)
    assert "bare.csv: The file has one column and no header" in told.stderr
    assert "[no_header]" in told.stderr
    assert (quiet.stdout, quiet.stderr) == (told.stdout, "")
    assert (stopped.exit_code, stopped.stderr.count("[no_header]")) == (3, 1)
    assert "row 2 (byte 0xE9" in stopped.stderr


def test_a_csv_file_on_standard_input_is_read_by_its_header(run: Run, model: Path, tickets: Path) -> None:
    piped = run("classify", model, stdin=tickets.read_bytes())

    assert piped.stdout == run("classify", model, tickets).stdout
    assert piped.stderr == ""


def test_plain_text_that_begins_like_json_is_told_what_to_do(run: Run, model: Path) -> None:
    taken = run("classify", model, stdin="{name}, where is my parcel\nmy card\n")
    plain = run("classify", model, "--file-format", "txt", stdin="{name}, where is my parcel\nmy card\n")

    assert taken.exit_code == 3
    assert "give --file-format txt" in taken.stderr
    assert [row["text"] for row in table(plain.stdout)] == ["{name}, where is my parcel", "my card"]


def test_cancelling_says_how_many_texts_were_answered(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Classifier.answers

    def until_the_last(self: Classifier, texts: list[str], *, speed: Speed) -> Answers:
        if "film" in texts:
            raise KeyboardInterrupt
        return answers(self, texts, speed=speed)

    monkeypatch.setattr(Classifier, "answers", until_the_last)

    ran = run("classify", model, "--batch-size", "1", stdin="my parcel\nmy card\nfilm\n")

    assert ran.exit_code == 130
    assert len(table(ran.stdout)) == 2
    assert "Cancelled after 2 texts." in ran.stderr


def test_no_texts(run: Run, model: Path) -> None:
    ran = run("classify", model, stdin="")

    assert (ran.exit_code, ran.stderr) == (0, "There were no texts.\n")


def test_the_answers_can_be_read_back_as_texts(run: Run, model: Path) -> None:
    ran = run("classify", model, stdin='tab\tquote "x", comma\n')

    assert [row.text for row in read_texts(ran.stdout.encode(), file_format="csv")] == ['tab\tquote "x", comma']


def test_a_model_can_be_told_where_its_base_is(run: Run, tickets: Path, toy_base: Path, tmp_path: Path) -> None:
    import shutil

    moved, model = tmp_path / "base", tmp_path / "model"
    shutil.copytree(toy_base, moved)
    run("train", tickets, "-o", model, "-b", moved, "--effort", "quick", "-q")
    moved.rename(tmp_path / "elsewhere")

    told = run("classify", model, "--base", tmp_path / "elsewhere", stdin="my parcel\n")
    wrong = run("classify", model, "--base", tmp_path / "nowhere", stdin="my parcel\n")

    assert told.exit_code == 0
    assert wrong.exit_code == 4


def test_a_model_of_groups_has_no_thresholds(run: Run, toy_base: Path, tmp_path: Path) -> None:
    lines = [f"{e.text},topic: {e.labels[0]}|tone: {'calm' if e.row % 2 else 'upset'}\n" for e in examples()]
    (tmp_path / "data.csv").write_text("text,label\n" + "".join(lines))
    options = ["-b", toy_base, "--effort", "quick", "--group-separator", ": "]
    run("train", tmp_path / "data.csv", "-o", tmp_path / "m", *options)

    for threshold in ("0.5", "tone: calm=0.5"):
        ran = run("classify", tmp_path / "m", "--threshold", threshold, stdin="a\n")
        assert ran.exit_code == 3
        assert "This is a model of groups" in ran.stderr
        assert "Leave out --threshold" in ran.stderr


def test_quiet_says_nothing_of_a_fast_tier_that_is_not_there(run: Run, model: Path) -> None:
    assert "no fast tier" in run("classify", model, "--fast", stdin="my card").said
    assert run("classify", model, "--fast", "-q", stdin="my card").stderr == ""
