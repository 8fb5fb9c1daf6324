"""Gathers what is wrong with single rows while a source streams by."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from fewfit.data.report import MAX_ROWS, Finding, Report, Severity, listed

# Details ("byte 0xE9 at offset 45") are kept for the rows that a message names.
_DETAILS = 10


@dataclass(frozen=True)
class _RowProblem:
    one: str
    many: str
    suggestion: str
    severity: Severity = "error"
    # Whether the row is left out also where malformed rows are not skipped.
    harmless: bool = False


_ROW_PROBLEMS: Final[dict[str, _RowProblem]] = {
    "bad_utf8": _RowProblem(
        "is not valid UTF-8", "are not valid UTF-8", "Save the file as UTF-8 (in Excel: 'CSV UTF-8')."
    ),
    "nul_byte": _RowProblem("has a NUL character", "have a NUL character", "Remove it."),
    "bad_unicode": _RowProblem(
        "has half of a surrogate pair (a \\ud800 … \\udfff escape without its other half)",
        "have half of a surrogate pair (a \\ud800 … \\udfff escape without its other half)",
        "Write the character itself, or both halves.",
    ),
    "broken_quoting": _RowProblem(
        "has broken quoting",
        "have broken quoting",
        'Put a text with quotes in it between quotes and double those inside: "she said ""no""".',
    ),
    "repeated_header": _RowProblem(
        "is the header again and is left out",
        "are the header again and are left out",
        "",
        "warning",
        harmless=True,
    ),
    "field_count": _RowProblem(
        "has another number of fields than the header",
        "have another number of fields than the header",
        "Put a text that contains the delimiter between quotes.",
    ),
    "bad_json": _RowProblem(
        "is not valid JSON", "are not valid JSON", 'Write one object a line: {"text": "...", "label": "..."}.'
    ),
    "not_an_object": _RowProblem(
        "is not a JSON object", "are not JSON objects", 'Write {"text": "...", "label": "..."}.'
    ),
    "missing_field": _RowProblem("lacks a field", "lack a field", "Add it."),
    "wrong_type": _RowProblem(
        "has a value of the wrong type",
        "have a value of the wrong type",
        "A text is a string; a label is a string, or in multilabel data a list of strings.",
    ),
    "empty_label": _RowProblem(
        "has no label", "have no label", "Give it a label; in multilabel data, [] means that none applies."
    ),
    "empty_text": _RowProblem(
        "has no text and is left out", "have no text and are left out", "", "warning", harmless=True
    ),
    "label_whitespace": _RowProblem(
        "has a label with white space around it, which is removed",
        "have a label with white space around it, which is removed",
        "",
        "warning",
        harmless=True,
    ),
    "repeated_label": _RowProblem(
        "has the same label twice; it counts once",
        "have the same label twice; it counts once",
        "",
        "warning",
        harmless=True,
    ),
    "number_label": _RowProblem(
        "has a number as its label, which is used as a string",
        "have a number as their label, which is used as a string",
        "",
        "warning",
        harmless=True,
    ),
}


@dataclass
class _Found:
    rows: list[int] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    count: int = 0
    last: int | None = None


class Problems:
    """Counts problems by code, with the first rows of each; linear time, bounded memory."""

    def __init__(self) -> None:
        self._found: dict[str, _Found] = {}
        self._findings: list[Finding] = []

    def add(self, code: str, row: int, detail: str = "") -> None:
        """Notes a problem of one row. A row that has it several times on end counts once."""
        assert code in _ROW_PROBLEMS, code
        found = self._found.setdefault(code, _Found())
        if found.last == row:
            return
        found.last = row
        found.count += 1
        if len(found.rows) < MAX_ROWS:
            found.rows.append(row)
        if len(found.details) < _DETAILS:
            found.details.append(f"row {row}" + (f" ({detail})" if detail else ""))

    def add_finding(self, finding: Finding) -> None:
        """Notes something about the source as a whole."""
        self._findings.append(finding)

    def add_error(self, code: str, message: str, suggestion: str = "", rows: Iterable[int] = ()) -> None:
        """Notes an error of the source as a whole."""
        self.add_finding(Finding(code, "error", message, rows=tuple(rows), suggestion=suggestion))

    def add_warning(self, code: str, message: str, suggestion: str = "", rows: Iterable[int] = ()) -> None:
        """Notes a warning about the source as a whole."""
        self.add_finding(Finding(code, "warning", message, rows=tuple(rows), suggestion=suggestion))

    @property
    def any_error(self) -> bool:
        """Whether something was found that is wrong with the source as a whole."""
        return any(finding.severity == "error" for finding in self._findings)

    @property
    def any_row(self) -> bool:
        """Whether something was found that is wrong with a single row and more than a trifle."""
        return any(not _ROW_PROBLEMS[code].harmless for code in self._found)

    def report(self, *, skip_malformed: bool = False) -> Report:
        """What was found. With `skip_malformed`, rows that were left out are warnings instead of errors."""
        findings = list(self._findings)
        for code, found in self._found.items():
            problem = _ROW_PROBLEMS[code]
            skipped = skip_malformed and not problem.harmless
            what = problem.one if found.count == 1 else problem.many
            subject = "1 row" if found.count == 1 else f"{found.count:,} rows"
            ending = "; skipped" if skipped else ""
            findings.append(
                Finding(
                    code,
                    "warning" if skipped else problem.severity,
                    f"{subject} {what}{ending}: {listed(found.details, found.count)}.",
                    rows=tuple(found.rows),
                    suggestion=problem.suggestion,
                    count=found.count,
                )
            )
        return Report(tuple(findings))
