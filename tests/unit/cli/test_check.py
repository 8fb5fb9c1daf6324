import json
from pathlib import Path

from fewfit.data import read_dataset
from tests.unit.cli.conftest import Run

FEW = "text,label\nmy card,card\nmy card,card\n,card\nmy parcel,parcel\n"


def test_good_data_end_with_zero(run: Run, tickets: Path, toy_base: Path) -> None:
    ran = run("check", tickets, "--base", toy_base)

    assert ran.exit_code == 0
    assert "can be trained on" in ran.stderr


def test_everything_is_listed_and_errors_end_with_three(run: Run, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(FEW)

    ran = run("check", tmp_path / "few.csv")

    assert ran.exit_code == 3
    for code in ("few_examples", "rare_label", "empty_text", "duplicate_text", "length_unchecked"):
        assert f"[{code}]" in ran.stdout
    assert "few.csv has 2 errors" in ran.stderr


def test_json_holds_every_finding(run: Run, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(FEW)

    ran = run("check", tmp_path / "few.csv", "--json")

    found = json.loads(ran.stdout)
    assert (found["ok"], found["kind"], found["n_examples"]) == (False, "single", 3)
    assert found["label_counts"] == {"card": 2, "parcel": 1}
    rows = {finding["code"]: finding["rows"] for finding in found["findings"]}
    assert rows["empty_text"] == [4]
    assert rows["duplicate_text"] == [3]


def test_requirements_can_be_lowered(run: Run, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(FEW)

    ran = run("check", tmp_path / "few.csv", "--min-examples", "3", "--min-per-label", "1")

    assert ran.exit_code == 0


def test_texts_that_are_cut_are_found_with_a_base(run: Run, tickets: Path, toy_base: Path) -> None:
    ran = run("check", tickets, "--base", toy_base, "--max-length", "8")

    assert "[truncated_text]" in ran.stdout


def test_a_length_that_the_base_cannot_read_is_refused(run: Run, tickets: Path, toy_base: Path) -> None:
    for length in ("1", "65"):
        ran = run("check", tickets, "--base", toy_base, "--max-length", length)
        assert ran.exit_code == 3
        assert f"--max-length is {length}" in ran.stderr


def test_a_cleaned_file_is_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text(FEW)

    run("check", tmp_path / "few.csv", "--write", tmp_path / "clean.jsonl")

    dataset, report = read_dataset(tmp_path / "clean.jsonl")
    assert dataset.texts == ["my card", "my parcel"]
    assert report.ok


def test_a_file_without_its_columns_is_described(run: Run, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("a,b,c\n1,2,3\n")

    ran = run("check", tmp_path / "odd.csv", "--json")

    assert ran.exit_code == 3
    assert [finding["code"] for finding in json.loads(ran.stdout)["findings"]] == ["missing_column"]
