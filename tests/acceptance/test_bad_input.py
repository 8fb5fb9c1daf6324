"""Bad input of every kind that people have: each ends in a clear message and the documented exit code.

`CASES` is the list: what is wrong, the file, the command, the exit code, and words that the message must have.
Commands run in this process; a few run again as a person starts them.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fewfit.cli.app import app
from fewfit.testing import write_toy_base

GOOD = "text,label\n" + "".join(
    f"where is my parcel number {n},delivery\nmy card was charged {n} times,billing\n" for n in range(20)
)
HEADER = b"text,label\n"


@dataclass(frozen=True)
class Case:
    """One kind of bad input. FILE, MODEL, BASE, FOLDER and OUT in the arguments stand for paths."""

    what: str
    file: bytes | None
    exit_code: int
    words: Sequence[str]
    name: str = "data.csv"
    arguments: Sequence[str] = ("check", "FILE")


def _train(*more: str) -> tuple[str, ...]:
    return ("train", "FILE", "-o", "OUT", "--base", "BASE", "--effort", "quick", *more)


CASES = (
    # Files
    Case("no such file", None, 3, ["There is no file", "missing.csv"], arguments=("check", "missing.csv")),
    Case("a folder instead of a file", None, 3, ["is a folder; expected a file"], arguments=("check", "FOLDER")),
    Case("an empty file", b"", 3, ["The file is empty", "[empty_file]"]),
    Case("a file of blank lines", b"\n\r\n  \n", 3, ["[empty_file]"]),
    Case("a header and nothing else", HEADER, 3, ["There are no examples", "[no_examples]"]),
    Case("an Excel file", b"PK\x03\x04\x14\0\0\0", 3, ["Excel", "CSV UTF-8"], name="data.xlsx"),
    Case("an Excel file called CSV", b"PK\x03\x04\x14\0\0\0", 3, ["Excel", "CSV UTF-8"]),
    Case("UTF-16", GOOD.encode("utf-16"), 3, ["UTF-16", "Save it as UTF-8"]),
    Case("a gzip file", b"\x1f\x8b\x08\0\0\0", 3, ["gzip", "gunzip"], name="data.csv.gz"),
    Case("what JavaScript sends instead of a file", b"[object Object]", 3, ["JavaScript", "[object_object]"]),
    Case("a damaged Parquet file", b"PAR1 cut off", 3, ["Parquet file cannot be read"], name="data.parquet"),
    Case("a JSON list", b'[{"text": "a", "label": "b"}]', 3, ["one JSON list", "jq"], name="data.json"),
    # Columns
    Case("no known column", b"a,b,c\n1,2,3\n", 3, ["'text'", "'label'", "'a', 'b', 'c'", "--text-column"]),
    Case("only the text", b"text\nhello\n", 3, ["No column is called 'label'"]),
    Case(
        "a column that is not there", GOOD.encode(), 3, ["no column 'txt'", "Did you mean 'text'?"],
        arguments=("check", "FILE", "--text-column", "txt"),
    ),
    Case("the same column twice", b"text,label,label\na,b,c\n", 3, ["more than one column 'label'"]),
    Case(
        "another delimiter than said", b"text;label\na;b\n", 3, ["Found: 'text;label'"],
        arguments=("check", "FILE", "--delimiter", ",", "--text-column", "text"),
    ),
    Case(
        "a delimiter of two characters", GOOD.encode(), 3, ["delimiter is '||'", "exactly one character"],
        arguments=("check", "FILE", "--delimiter", "||"),
    ),
    # Rows
    Case("bytes that are not UTF-8", GOOD.encode() + b"caf\xe9,x\n", 3, ["row 42 (byte 0xE9", "'é' in Windows-1252"]),
    Case("a NUL byte", GOOD.encode() + b"a\0b,x\n", 3, ["NUL character", "row 42"]),
    Case("a quote that is never closed", HEADER + b'"open,a\nb,c\n', 3, ["broken quoting: row 2", "never closed"]),
    Case("text after a closing quote", HEADER + b'"a"b,c\n', 3, ["broken quoting: row 2"]),
    Case("a comma without quotes", HEADER + b"hello, world,a\n", 3, ["row 2 (3 fields instead of 2)", "quotes"]),
    Case("a line that is not JSON", b'{"text": "a", "label": "b"}\n{"text": \n', 3, ["not valid JSON: row 2"],
         name="data.jsonl"),
    Case("a line that is no object", b'{"text": "a", "label": "b"}\n"a"\n', 3, ["not a JSON object: row 2"],
         name="data.jsonl"),
    Case("an object without a label", b'{"text": "a", "label": "b"}\n{"text": "c"}\n', 3,
         ["row 2 (no 'label'; it has 'text')"], name="data.jsonl"),
    Case("a number as a text", b'{"text": 1, "label": "b"}\n', 3, ["row 1 (the text is '1', of type int)"],
         name="data.jsonl"),
    Case("a number as a label", b'{"text": "a", "label": 1}\n', 3, ["row 1 (the label is '1', of type int)"],
         name="data.jsonl"),
    Case("half a surrogate pair", b'{"text": "\\ud83d", "label": "b"}\n', 3, ["half of a surrogate pair"],
         name="data.jsonl"),
    Case("a row without a label", GOOD.encode() + b"hello,\n", 3, ["has no label: row 42"]),
    Case("a row without a text, as an error of amount", HEADER + b",a\n  ,b\n", 3, ["row 2, row 3", "no_examples"],
         arguments=("check", "FILE", "--json")),
    # Amounts and labels
    Case("too few examples", HEADER + b"a,x\nb,y\n", 3, ["2 examples", "Add 30 more", "'x' has 1 (4 missing)"]),
    Case("one label only, in training too", HEADER + b"a,x\nb,x\n", 3, ["only the label 'x'", "at least 2"],
         arguments=_train()),
    Case(
        "a label on every row",
        b"".join(b'{"text": "text %d", "label": ["x", "%s"]}\n' % (n, b"yz"[n % 2 : n % 2 + 1]) for n in range(40)),
        3, ["'x' is on every row"], name="data.jsonl",
    ),
    Case("several labels in single-label data", b'{"text": "a", "label": ["b"]}\n', 3, ["the label is a list"],
         name="data.jsonl", arguments=("check", "FILE", "--kind", "single")),
    # Commands
    Case("an unknown command", None, 2, ["No such command"], arguments=("trian",)),
    Case("an unknown option", None, 2, ["No such option"], arguments=("check", "FILE", "--fast")),
    Case("no output folder", GOOD.encode(), 2, ["Missing option"], arguments=("train", "FILE")),
    Case("an effort that there is not", GOOD.encode(), 2, ["quick"],
         arguments=("train", "FILE", "-o", "OUT", "--effort", "5")),
    Case("--eval and --holdout", GOOD.encode(), 2, ["not both"],
         arguments=_train("--eval", "FILE", "--holdout", "0.2")),
    Case("a share beyond one", GOOD.encode(), 2, ["--holdout"], arguments=_train("--holdout", "2")),
    Case("a separator in single-label data", GOOD.encode(), 3, ["Give one of them"],
         arguments=("check", "FILE", "--kind", "single", "--label-separator", "|")),
    # Bases and models
    Case("an unknown base", GOOD.encode(), 4, ["no base 'englisch'", "english-small"],
         arguments=("train", "FILE", "-o", "OUT", "--base", "englisch")),
    Case("a folder that is no base", GOOD.encode(), 4, ["is not an encoder", "config.json"],
         arguments=("train", "FILE", "-o", "OUT", "--base", "FOLDER")),
    Case("more tokens than the base reads", GOOD.encode(), 3, ["--max-length is 600", "at most 64"],
         arguments=_train("--max-length", "600")),
    Case("an output that is no model", GOOD.encode(), 5, ["is there and is not a fewfit model"],
         arguments=("train", "FILE", "-o", "FILE", "--base", "BASE")),
    Case("an evaluation file with other labels", GOOD.encode(), 3, ["no example with a label of the training data"],
         arguments=_train("--eval", "OTHER")),
    Case("a folder that is no model", None, 5, ["model.json"], arguments=("classify", "FOLDER", "FILE")),
    Case("a model that is not there", None, 5, ["nowhere"], arguments=("info", "nowhere")),
    Case("a model whose manifest is broken", b"{", 5, ["model.json"], name="model.json", arguments=("info", "PLACE")),
    Case("texts that are not there", None, 3, ["There is no file"], arguments=("classify", "MODEL", "missing.txt")),
    Case("texts without their column", b"a,b,c\n1,2,3\n", 3, ["'text'"], arguments=("classify", "MODEL", "FILE")),
    Case("texts that are not UTF-8", b"fine\n\xff\n", 3, ["row 2 (byte 0xFF"], name="new.txt",
         arguments=("classify", "MODEL", "FILE")),
    Case("a threshold beyond one", b"fine\n", 2, ["from 0 to 1"], name="new.txt",
         arguments=("classify", "MODEL", "FILE", "--threshold", "7")),
    Case("labels that the model does not know", HEADER + b"a,x\nb,y\n", 3, ["no example with a label that the model"],
         arguments=("evaluate", "MODEL", "FILE")),
)  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A toy base, a model on it, and files that several cases use."""
    folder = tmp_path_factory.mktemp("bad input")
    base = write_toy_base(folder / "base")
    (folder / "good.csv").write_text(GOOD)
    (folder / "other.csv").write_bytes(HEADER + b"a,x\nb,y\n")
    (folder / "photos").mkdir()
    (folder / "photos" / "cat.jpg").touch()
    arguments = ["train", str(folder / "good.csv"), "-o", str(folder / "model"), "-b", str(base), "--effort", "quick"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return {"BASE": base, "MODEL": folder / "model", "OTHER": folder / "other.csv", "FOLDER": folder / "photos"}


def _arguments(case: Case, places: dict[str, Path], folder: Path) -> list[str]:
    path = folder / case.name
    if case.file is not None:
        path.write_bytes(case.file)
    known = {**places, "FILE": path, "PLACE": folder, "OUT": folder / "out"}
    return [str(known.get(argument, argument)) for argument in case.arguments]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_bad_input_ends_in_a_clear_message(
    case: Case, places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    result = CliRunner().invoke(app, _arguments(case, places, tmp_path))

    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == case.exit_code, result.output
    for word in case.words:
        assert word in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").exists()


def test_the_list_is_long() -> None:
    assert len({case.what for case in CASES}) == len(CASES) >= 30


def _started(arguments: Sequence[str], folder: Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "fewfit", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, input=stdin, capture_output=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    "what", ["an Excel file", "bytes that are not UTF-8", "an unknown command", "a folder that is no model"]
)
def test_the_same_from_a_shell(what: str, places: dict[str, Path], tmp_path: Path) -> None:
    case = next(case for case in CASES if case.what == what)

    ran = _started(_arguments(case, places, tmp_path), tmp_path)

    said = (ran.stdout + ran.stderr).decode()
    assert ran.returncode == case.exit_code, said
    assert all(word in said for word in case.words), said
    assert "Traceback" not in said
