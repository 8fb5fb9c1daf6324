"""What pages show of a dataset: numbers, findings with their repairs, requirements, versions."""

from dataclasses import dataclass
from typing import Any

from fewfit.dashboard.context import Context
from fewfit.data import Example, Finding
from fewfit.service.errors import NotFoundError, NotReadyError
from fewfit.service.records import Caller, Dataset, DatasetVersion, Requirement
from fewfit.service.repairs import Repair, repairs_for, requirements
from fewfit.service.validation import part_of

PREVIEW_ROWS = 5
# Versions on the page of a dataset; all are in the service.
VERSIONS_SHOWN = 20


@dataclass(frozen=True)
class FindingView:
    """A finding with what can be done about it. `number` counts findings from 0, for the address of its rows."""

    number: int
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
                number=number,
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
            for number, finding in enumerate(report)
        ),
        requirements=requirements(overview, report, context.settings) if overview else (),
        preview={part: _preview(context, caller, dataset_id, part) for part in ("train", "eval")},
        undo=newest.parent,
    )


def finding_numbered(context: Context, caller: Caller, dataset_id: str, number: int) -> Finding:
    """A finding of a dataset's report. Raises NotFoundError."""
    findings = context.service.datasets.report(caller, dataset_id).findings
    if not 0 <= number < len(findings):
        raise NotFoundError("This finding is gone: the dataset was changed since. Look at the dataset again.")
    return findings[number]


def twin(view: DatasetView) -> dict[str, Any]:
    """The view as its page and its twin take it."""
    return {**vars(view), "busy": view.busy, "ready": view.ready}


def _preview(context: Context, caller: Caller, dataset_id: str, part: str) -> tuple[Example, ...]:
    try:
        return context.service.editing.rows(caller, dataset_id, part=part, limit=PREVIEW_ROWS).rows
    except (NotReadyError, NotFoundError):
        return ()
