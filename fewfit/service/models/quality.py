"""The quality report of a version: where it is right, where wrong, and how honest its confidences are."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fewfit.decision import Decision
from fewfit.service.models.answers import Answers
from fewfit.service.store.parts import shortened

if TYPE_CHECKING:
    from fewfit.training import Evaluation, Insight

# The contract's names of the figures, by those of fewfit.training.
STEP_METRICS = {
    "accuracy": "accuracy",
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_f1": "f1",
    "loss": "cross_entropy",
}


def named_for_users(numbers: dict[str, float]) -> dict[str, float]:
    """Figures under the names that the service gives out."""
    return {name: float(numbers[ours]) for ours, name in STEP_METRICS.items() if ours in numbers}


def quality_report(
    evaluation: "Evaluation", decision: Decision, insight: "Insight", rows: Sequence[int]
) -> dict[str, Any]:
    """Everything that is known about a version, as JSON types: how good it is on texts that it was not trained on,
    which labels of the training part are likely to be wrong, and what more examples would bring.

    `rows` are the row numbers of the texts that were trained on.
    """
    curve = insight.learning_curve
    report = evaluation.to_dict()
    return {
        **report,
        "labels": list(decision.labels),
        "thresholds": None if decision.thresholds is None else [float(value) for value in decision.thresholds],
        "mistakes": [_mistake(mistake) for mistake in report["mistakes"]],
        "suspects": [suspect.to_dict() | {"text": shortened(suspect.text)} for suspect in insight.suspects(rows)],
        "learning_curve": None if curve is None else curve.to_dict(),
    }


def report_of_answers(answers: Answers, thresholds: Sequence[float], before: Mapping[str, Any]) -> dict[str, Any]:
    """The report of a version whose thresholds were changed, from the answers of the version that it was made from.

    `before` is the report of that one: what thresholds do not touch is taken from it.
    """
    from fewfit.training import Targets, evaluate_answers

    targets = Targets(answers.kind, answers.labels, answers.truth)
    n_trained, n_folds = before.get("n_trained"), before.get("n_folds")
    evaluation = evaluate_answers(
        targets,
        answers.confidences,
        answers.given(thresholds),
        answers.texts,
        n_trained=n_trained,
        n_folds=n_folds,
    )
    report = evaluation.to_dict()
    frozen = before.get("frozen")
    gain = (
        {name: value - frozen[name] for name, value in report["metrics"].items() if name in frozen} if frozen else None
    )
    return {
        **before,
        **report,
        "evaluated_on": answers.evaluated_on,
        "frozen": frozen,
        "gain": gain,
        "labels": list(answers.labels),
        "thresholds": list(thresholds),
        "mistakes": [_mistake(mistake) for mistake in report["mistakes"]],
    }


def _mistake(mistake: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in mistake.items() if name != "position"}
    return {**kept, "text": shortened(mistake["text"])}
