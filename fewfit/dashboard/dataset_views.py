"""What pages show of a dataset: numbers, findings with their repairs, requirements, versions."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from fewfit.dashboard.context import Context
from fewfit.data import Example, Finding, Report
from fewfit.service.datasets.repairs import Repair, repairs_for, requirements
from fewfit.service.datasets.validation import part_of
from fewfit.service.errors import NotFoundError, NotReadyError
from fewfit.service.records import Caller, Dataset, DatasetVersion, Requirement

PREVIEW_ROWS = 5
_ONE_FOR_SOME_LABELS = ("label_variants", "label_on_every_row", "confused_labels")
# Versions on the page of a dataset; all are in the service.
VERSIONS_SHOWN = 20


@dataclass(frozen=True)
class FindingView:
    """A finding with what can be done about it. `key` names it in the address of its rows."""

    key: str
    code: str
    severity: str
    message: str
    suggestion: str
    part: str
    count: int
    labels: tuple[str, ...]
    repairs: tuple[Repair, ...]
    has_rows: bool


@dataclass(frozen=True)
class DatasetView:
    """A dataset as its page shows it. `undo` is the version to go back to, if there is one."""

    dataset: Dataset
    version: DatasetVersion
    versions: tuple[DatasetVersion, ...]
    findings: tuple[FindingView, ...]
    requirements: tuple[Requirement, ...]
    preview: dict[str, tuple[Example, ...]]
    undo: int | None

    @property
    def busy(self) -> bool:
        """Whether the dataset is still being checked."""
        return self.dataset.status in ("queued", "processing")

    @property
    def ready(self) -> bool:
        """Whether it can be trained on."""
        return self.dataset.status == "validated"


def dataset_view(context: Context, caller: Caller, dataset_id: str) -> DatasetView:
    """What a page shows of a dataset (scope read)."""
    service = context.service
    dataset = service.datasets.get(caller, dataset_id)
    versions = service.editing.versions(caller, dataset_id)
    newest = versions[0]
    # What was found is that of the version before, as long as the newest one is being checked.
    known = newest if newest.overview else next((version for version in versions if version.overview), newest)
    report = service.datasets.report(caller, dataset_id)
    overview = known.overview
    return DatasetView(
        dataset=dataset,
        version=known,
        versions=versions[:VERSIONS_SHOWN],
        findings=tuple(
            FindingView(
                key=key,
                code=finding.code,
                severity=finding.severity,
                message=finding.message,
                suggestion=finding.suggestion,
                part=part_of(finding),
                count=finding.count,
                labels=finding.labels,
                repairs=repairs_for(finding, overview) if overview else (),
                has_rows=bool(finding.rows),
            )
            for key, finding in findings_by_key(report).items()
        ),
        requirements=requirements(overview, report, context.settings) if overview else (),
        preview={part: _preview(context, caller, dataset_id, part) for part in ("train", "eval")},
        undo=newest.parent,
    )


def findings_by_key(report: Report) -> dict[str, Finding]:
    """The findings of a report by names that stay theirs when others come and go: what is found, and in which labels.

    The labels belong to the name only where each group of them is a finding of its own; others may lose some.
    """
    found: dict[str, Finding] = {}
    alike = Counter[str]()
    for finding in report:
        key = finding.code if part_of(finding) == "train" else f"eval-{finding.code}"
        if finding.code in _ONE_FOR_SOME_LABELS:
            key += "-" + hashlib.sha256("\0".join(finding.labels).encode("utf-8", "replace")).hexdigest()[:8]
        alike[key] += 1
        found[f"{key}~{alike[key]}" if alike[key] > 1 else key] = finding
    return found


def dataset_name(context: Context, caller: Caller, dataset_id: str) -> str:
    """The name of a dataset; nothing where it was deleted."""
    try:
        return context.service.datasets.get(caller, dataset_id).name
    except NotFoundError:
        return ""


def twin(view: DatasetView) -> dict[str, Any]:
    """The view as its page and its twin take it."""
    return {**vars(view), "busy": view.busy, "ready": view.ready}


def _preview(context: Context, caller: Caller, dataset_id: str, part: str) -> tuple[Example, ...]:
    try:
        return context.service.editing.rows(caller, dataset_id, part=part, limit=PREVIEW_ROWS).rows
    except (NotReadyError, NotFoundError):
        return ()
