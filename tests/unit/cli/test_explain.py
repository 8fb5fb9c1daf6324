import json
from pathlib import Path

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
