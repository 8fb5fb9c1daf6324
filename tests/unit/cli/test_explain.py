import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fewfit.artifact import read_artifact, write_artifact
from fewfit.decision import Rejection
from tests.unit.cli.conftest import Run


def test_words_and_nearest_examples_are_shown(run: Run, model: Path) -> None:
    ran = run("explain", model, "--text", "my card is refused")

    assert ran.exit_code == 0, ran.stderr
    assert "my card is refused" in ran.stdout
    assert "nearest" in ran.stdout
    assert "1.00  card: my card is refused" in ran.stdout


def test_json_is_for_programs(run: Run, model: Path) -> None:
    ran = run(
        "explain", model, "--json", "--examples", "1", "--limit", "2", stdin="a late parcel\n\na film\none more\n"
    )

    explanations = json.loads(ran.stdout)
    assert [each["text"] for each in explanations] == ["a late parcel", "a film"]
    assert [word["text"] for word in explanations[0]["words"]] == ["a", "late", "parcel"]
    assert len(explanations[0]["examples"]) == 1
    assert "Only the first 2 texts" in ran.stderr


def test_an_unknown_label_is_an_error(run: Run, model: Path) -> None:
    assert run("explain", model, "--text", "a", "--label", "dog").exit_code == 3


def test_no_texts_and_more_than_the_limit_are_told(run: Run, model: Path) -> None:
    nothing = run("explain", model, stdin="\n")
    one = run("explain", model, "--limit", "1", "--words", "0", stdin="a late parcel\na film\n")
    named = run("explain", model, "--limit", "1", "--words", "0", "-t", "a late parcel", "-t", "a film")

    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", "There were no texts.\n")
    for ran in (one, named):
        assert ran.stderr == "Only the first text is explained; --limit takes more.\n"


def test_a_text_that_is_rejected_is_told(run: Run, model: Path, tmp_path: Path) -> None:
    artifact = read_artifact(model)
    references = np.zeros((1, artifact.decision.head.weight.shape[1]), dtype=np.float32)
    rejection = Rejection(0.05, 0.5, references)  # nothing is like the references
    write_artifact(tmp_path / "m", replace(artifact, decision=replace(artifact.decision, rejection=rejection)))
    arguments = ("explain", tmp_path / "m", "--words", "0", "-t", "my card is refused")

    shown, as_json = run(*arguments), run(*arguments, "--json")

    assert "'fewfit classify' gives it no label" in shown.stdout
    assert json.loads(as_json.stdout)[0]["rejected"] is True
    assert run("classify", tmp_path / "m", "-f", "jsonl", stdin="my card is refused").stdout.count('"label": null') == 1
    other = run("explain", model, "--words", "0", "-t", "my card is refused", "--json")
    assert json.loads(other.stdout)[0]["rejected"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["texts.txt", "-t", "a film"], "Give a file or --text, not both."),
        (["-t", ""], "--text is empty"),
        (["-t", "a film", "-t", "  "], "--text is empty"),
    ],
)
def test_texts_that_cannot_be_explained_are_refused(run: Run, model: Path, options: list[str], words: str) -> None:
    ran = run("explain", model, *options)

    assert (ran.exit_code, ran.stdout) == (2, "")
    assert words in ran.said


def test_control_characters_do_not_reach_the_terminal(run: Run, model: Path) -> None:
    ran = run("explain", model, "--words", "4", "-t", "my \x1b[31mcard\x9b is refused")

    assert ran.exit_code == 0
    assert not {"\x1b", "\x9b"} & set(ran.stdout)
    assert r"my \x1b[31mcard\x9b is refused" in ran.stdout
