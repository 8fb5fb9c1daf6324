"""What a dataset would be like, before it is one: for a form that ticks its requirements while one types."""

from dataclasses import dataclass

from fewfit.data import Example, LanguageMix, Report, Requirements, read_dataset, validate
from fewfit.errors import InputError
from fewfit.service.datasets.repairs import requirements
from fewfit.service.records import DatasetOverview, PartOverview, Requirement
from fewfit.settings import Settings

LARGEST_PREVIEW_BYTES = 512 * 1024
_SHOWN = 5


@dataclass(frozen=True)
class Preview:
    """What was read: a few rows, the numbers, the findings, and the requirements that are met."""

    overview: DatasetOverview
    report: Report
    requirements: tuple[Requirement, ...]
    examples: tuple[Example, ...]


def preview(content: bytes, settings: Settings, *, filename: str = "") -> Preview:
    """Reads the beginning of a dataset and says how far it would do. Raises InputError for more than 512 KiB."""
    if len(content) > LARGEST_PREVIEW_BYTES:
        raise InputError(f"There are {len(content):,} bytes; at most {LARGEST_PREVIEW_BYTES:,} are looked at here.")
    dataset, report = read_dataset(content, name=filename or None)
    if dataset.examples:
        # Languages take time and are told when the dataset is made.
        wanted = Requirements(settings.min_examples, settings.min_examples_per_label)
        report = report.merge(validate(dataset, requirements=wanted, languages=LanguageMix((), 0)))
    overview = DatasetOverview(dataset.kind, PartOverview(len(dataset), dataset.label_counts), None)
    return Preview(overview, report, requirements(overview, report, settings), dataset.examples[:_SHOWN])
