import json
from pathlib import Path

import pytest

from fewfit.data import FINDING_CODES, Finding, Report
from fewfit.data.problems import Problems
from fewfit.data.report import MAX_ROWS, listed, row_list
from fewfit.errors import DataError

ERROR = Finding("bad_json", "error", "Row 3 is not JSON.", rows=(3,), suggestion="Write JSON.")
WARNING = Finding("empty_text", "warning", "Row 4 has no text.", rows=(4,))
ADVICE = Finding("urls", "advice", "URLs.", labels=("a",), count=7)


def test_errors_come_first_and_reports_merge() -> None:
    report = Report((ADVICE, WARNING)).merge(Report((ERROR,)), Report())

    assert report.findings == (ERROR, WARNING, ADVICE)
    assert (report.errors, report.warnings, report.advice) == ((ERROR,), (WARNING,), (ADVICE,))
    assert not report.ok
    assert report.codes == ("bad_json", "empty_text", "urls")


def test_raising_lists_every_error_and_no_warning() -> None:
    Report((WARNING,)).raise_for_errors()
    with pytest.raises(DataError) as one:
        Report((ERROR, WARNING)).raise_for_errors("a.jsonl")
    with pytest.raises(DataError) as two:
        Report((ERROR, ERROR)).raise_for_errors()

    assert str(one.value) == "a.jsonl: Row 3 is not JSON. Write JSON."
    assert str(two.value).count("Row 3 is not JSON. Write JSON.") == 2


def test_a_report_goes_through_json_and_back() -> None:
    report = Report((ERROR, WARNING, ADVICE))

    assert Report.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    assert report.to_dict()["ok"] is False


def test_an_unknown_code_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        Finding("nonsense", "error", "?")


def test_a_million_bad_rows_make_a_small_report() -> None:
    problems = Problems()
    for row in range(1, 5001):
        problems.add("bad_json", row, "detail")

    found = problems.report().errors[0]

    assert found.count == 5000
    assert found.rows == tuple(range(1, MAX_ROWS + 1))
    assert found.message.endswith("row 10 (detail) and 4,990 more.")
    assert Finding("urls", "advice", "", rows=tuple(range(5000))).count == 5000


def test_lists_in_sentences() -> None:
    assert row_list([4]) == "row 4"
    assert row_list([4, 9]) == "rows 4, 9"
    assert listed(["a", "b", "c"], shown=2) == "a, b and 1 more"
    assert listed(["a"], total=3) == "a and 2 more"


def test_every_code_is_used_somewhere() -> None:
    folder = Path(__file__).parents[3] / "fewfit"
    source = "".join(path.read_text() for path in folder.rglob("*.py") if path.name != "codes.py")

    assert [code for code in FINDING_CODES if f'"{code}"' not in source] == []
