"""What was found in the data: findings with row numbers, gathered in a report."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from fewfit.data.codes import FINDING_CODES
from fewfit.errors import DataError

Severity = Literal["error", "warning", "advice"]

# A finding keeps this many row numbers and counts the rest: a report must stay small for a million bad rows.
MAX_ROWS = 1000
# A message names this many rows or labels; the others are in `rows`, and in the JSON.
SHOWN = 10

# What cannot be written, such as a byte that could not be decoded.
_SURROGATE = re.compile("[\ud800-\udfff]")
_ORDER: dict[Severity, int] = {"error": 0, "warning": 1, "advice": 2}


class FindingDict(TypedDict):
    """A finding as JSON."""

    code: str
    severity: Severity
    message: str
    rows: list[int]
    count: int
    labels: list[str]
    suggestion: str


class ReportDict(TypedDict):
    """A report as JSON."""

    ok: bool
    findings: list[FindingDict]


@dataclass(frozen=True)
class Finding:
    """One thing that was found in the data.

    `code` is stable and for programs (every code is in `FINDING_CODES`); `rows` holds the first rows
    concerned and `count` how many there are in all; `suggestion` says what to do about it.
    """

    code: str
    severity: Severity
    message: str
    rows: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    suggestion: str = ""
    count: int = 0

    def __post_init__(self) -> None:
        if self.code not in FINDING_CODES:
            raise ValueError(f"unknown finding code {self.code!r}: add it to fewfit/data/codes.py")
        object.__setattr__(self, "count", max(self.count, len(self.rows)))
        object.__setattr__(self, "rows", self.rows[:MAX_ROWS])

    def __str__(self) -> str:
        return f"{self.message} {self.suggestion}".strip()

    def to_dict(self) -> FindingDict:
        """The finding as plain values for JSON."""
        return {
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "rows": list(self.rows),
            "count": self.count,
            "labels": list(self.labels),
            "suggestion": self.suggestion,
        }

    @classmethod
    def from_dict(cls, values: FindingDict) -> "Finding":
        """The finding that `to_dict` wrote."""
        return cls(
            code=values["code"],
            severity=values["severity"],
            message=values["message"],
            rows=tuple(values["rows"]),
            labels=tuple(values["labels"]),
            suggestion=values["suggestion"],
            count=values["count"],
        )


@dataclass(frozen=True)
class Report:
    """Everything that was found, errors first."""

    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        ordered = sorted(self.findings, key=lambda finding: _ORDER[finding.severity])
        object.__setattr__(self, "findings", tuple(ordered))

    def merge(self, *others: "Report") -> "Report":
        """One report with the findings of all."""
        return Report(sum((other.findings for other in others), self.findings))

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What stops training."""
        return self._with("error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What does not stop training but should be known; kept in the model's metadata."""
        return self._with("warning")

    @property
    def advice(self) -> tuple[Finding, ...]:
        """What would make the model better."""
        return self._with("advice")

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes that occur, errors first."""
        return tuple(dict.fromkeys(finding.code for finding in self.findings))

    def raise_for_errors(self, source: str = "") -> None:
        """Raise a DataError that lists every error; do nothing when there is none."""
        errors = self.errors
        if not errors:
            return
        where = f"{source}: " if source else ""
        if len(errors) == 1:
            raise DataError(f"{where}{errors[0]}")
        lines = "\n".join(f"  - {error}" for error in errors)
        raise DataError(f"{where}{len(errors)} things must be put right first:\n{lines}")

    def to_dict(self) -> ReportDict:
        """The report as plain values for JSON."""
        return {"ok": self.ok, "findings": [finding.to_dict() for finding in self.findings]}

    @classmethod
    def from_dict(cls, values: ReportDict) -> "Report":
        """The report that `to_dict` wrote."""
        return cls(tuple(Finding.from_dict(finding) for finding in values["findings"]))

    def _with(self, severity: Severity) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == severity)


def listed(items: Iterable[str], total: int | None = None, shown: int = SHOWN) -> str:
    """The first items as words in a sentence, and how many more there are."""
    kept = list(items)
    total = len(kept) if total is None else total
    text = ", ".join(kept[:shown])
    more = total - min(len(kept), shown)
    return f"{text} and {more:,} more" if more > 0 else text


def row_list(rows: Sequence[int], total: int | None = None) -> str:
    """Row numbers as words: "row 4", "rows 4, 9 and 12 more"."""
    total = len(rows) if total is None else total
    return f"{'row' if total == 1 else 'rows'} {listed(map(str, rows), total)}"


def quoted(text: str, limit: int = 40) -> str:
    """A text in quotes, shortened, with what cannot be printed escaped; "�" stands for a byte that is not UTF-8."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return repr(_SURROGATE.sub("�", short))


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: "1 row", "3 rows"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
