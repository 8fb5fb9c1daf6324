"""What a dataset must have, and which edits put right what a finding says."""

from collections.abc import Mapping
from dataclasses import dataclass

from fewfit.data import Finding, Report
from fewfit.data.keys import label_key
from fewfit.data.report import counted, quoted
from fewfit.service.datasets.edits import UNREADABLE, Edit
from fewfit.service.datasets.holdout import least_held_out
from fewfit.service.datasets.validation import part_of
from fewfit.service.records import DatasetOverview, Requirement
from fewfit.settings import Settings

# A finding about more labels than these offers no button for each; their rows can be looked at.
_MOST_LABELS = 12
# The dashboard takes evaluation files from this size on, and warns below the setting.
FEWEST_EVAL_EXAMPLES = 16


@dataclass(frozen=True)
class Repair:
    """An edit, and what its button says."""

    words: str
    edit: Edit


def repairs_for(finding: Finding, overview: DatasetOverview) -> tuple[Repair, ...]:
    """What can be done about a finding with one click; nothing where a person has to look."""
    counts, count, code = overview.train.labels, finding.count, finding.code
    if code in UNREADABLE and finding.severity == "error":
        return (Repair(f"Leave out {counted(count, 'unreadable row')}", {"op": "leave_out"}),)
    if code == "duplicate_text" and finding.suggestion:  # exact copies are dropped without being asked
        return (Repair(f"Drop {counted(count, 'copy', 'copies')}", {"op": "drop_copies"}),)
    if code == "conflicting_labels":
        return (
            Repair(f"Drop all {counted(count, 'row')}", {"op": "drop_conflicts"}),
            Repair("Keep the first row of each text", {"op": "drop_conflicts", "keep": "first"}),
        )
    if code == "leaked_text":
        return (Repair(f"Drop {counted(count, 'row')} from the evaluation part", {"op": "drop_leaked"}),)
    if code in ("markup", "urls"):
        return (Repair("Take markup and URLs out of the texts", {"op": "clean"}),)
    if code == "few_examples" and part_of(finding) == "eval" and finding.severity == "error":
        return (Repair("Leave the evaluation part out", {"op": "drop_evaluation"}),)
    return _label_repairs(finding, counts)


def _label_repairs(finding: Finding, counts: Mapping[str, int]) -> tuple[Repair, ...]:
    labels = [label for label in finding.labels if label in counts]
    if finding.code == "label_variants" and len(labels) > 1:
        common = max(labels, key=lambda label: (counts[label], label))
        names = {label: common for label in labels if label != common}
        return (Repair(f"Write {quoted(common)} everywhere", {"op": "rename", "names": names}),)
    if finding.code in ("rare_label", "label_on_every_row") and len(labels) <= _MOST_LABELS:
        return tuple(_rare_label_repair(label, counts) for label in labels)
    return ()


def _rare_label_repair(label: str, counts: Mapping[str, int]) -> Repair:
    """Another spelling of a label that is there is merged with it, any other one dropped."""
    alike = [other for other in counts if other != label and label_key(other) == label_key(label)]
    if alike:
        common = max(alike, key=lambda other: (counts[other], other))
        return Repair(f"Merge {quoted(label)} into {quoted(common)}", {"op": "rename", "names": {label: common}})
    return Repair(f"Drop {quoted(label)} ({counted(counts[label], 'row')})", {"op": "drop_label", "label": label})


def requirements(overview: DatasetOverview, report: Report, settings: Settings) -> tuple[Requirement, ...]:
    """What the dataset must have to be trained on, each with whether it does."""
    train, evaluation = overview.train, overview.evaluation
    few = [label for label, count in train.labels.items() if count < settings.min_examples_per_label]
    found = [
        Requirement("At least 2 labels", len(train.labels) >= 2, counted(len(train.labels), "label")),
        Requirement(
            f"At least {settings.min_examples} examples",
            train.n_rows >= settings.min_examples,
            counted(train.n_rows, "example"),
        ),
        Requirement(
            f"At least {settings.min_examples_per_label} examples of each label",
            bool(train.labels) and not few,
            f"{counted(len(few), 'label')} with fewer" if few else "",
        ),
    ]
    unreadable = [finding for finding in report.errors if finding.code in UNREADABLE]
    found.append(
        Requirement(
            "Every row can be read",
            not unreadable,
            counted(sum(finding.count for finding in unreadable), "unreadable row") if unreadable else "",
        )
    )
    if overview.kind == "multi":
        everywhere = [label for label, count in train.labels.items() if count == train.n_rows]
        found.append(Requirement("No label on every row", not everywhere, ", ".join(map(quoted, everywhere[:3]))))
    if evaluation is None:
        instead = "each row is held out in turn, or a part of them with effort quick"
        if train.n_rows >= least_held_out(settings):
            instead = f"{settings.eval_fraction:.0%} are held out"
        found.append(Requirement("An evaluation file", False, f"without one, {instead}", needed=False))
        return tuple(found)
    examples = counted(evaluation.n_rows, "example")
    fewest = min(FEWEST_EVAL_EXAMPLES, settings.min_eval_examples)
    found.append(Requirement(f"At least {fewest} examples to evaluate on", evaluation.n_rows >= fewest, examples))
    if evaluation.n_rows < settings.min_eval_examples:
        found.append(Requirement(f"Better {settings.min_eval_examples} to evaluate on", False, examples, needed=False))
    return tuple(found)
