"""More examples, or a new label, for a model that is there: the head is fitted again, the encoder stays."""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fewfit.artifact import Artifact
from fewfit.classifier import with_torch
from fewfit.classifier.groups import label_groups
from fewfit.classifier.making import now
from fewfit.classifier.paths import check_paths
from fewfit.classifier.weights import label_weights
from fewfit.data import stratified_folds, text_key
from fewfit.decision import Calibration, Decision
from fewfit.errors import InputError
from fewfit.examples import KeptExamples

if TYPE_CHECKING:
    from fewfit.training import Metrics, Targets

logger = logging.getLogger(__name__)

# Beyond this many new texts for each one that the encoder was tuned on, tuning again is worth its time.
RETRAIN_SHARE = 0.5
_N_FOLDS = 5
# A threshold fitted on the new texts weighs as much as the old one when its label has this many of them.
_THRESHOLD_WEIGHT = 10.0


@dataclass(frozen=True)
class Update:
    """What an update did, and whether training again pays.

    Of the examples given, `n_added` have texts that are new, `n_replaced` such as were there: these count now; the
    model knows `n_examples` in all. `before` is how the model answered the new texts before the update (those of
    labels it knew; None where there are none), `after` how heads fitted on the other examples answer
    them (None where there are too few). `reasons` say why a full training pays; none, and it does not.
    """

    n_added: int
    n_replaced: int
    n_examples: int
    new_labels: tuple[str, ...]
    before: "Metrics | None"
    after: "Metrics | None"
    reasons: tuple[str, ...]
    elapsed_s: float

    @property
    def retrain(self) -> bool:
        """Whether training again, on all examples, is likely to pay."""
        return bool(self.reasons)

    def to_dict(self) -> dict[str, Any]:
        """The update as plain JSON types."""
        figures = {
            name: metrics and metrics.numbers() for name, metrics in (("before", self.before), ("after", self.after))
        }
        return {**asdict(self), **figures, "retrain": self.retrain}


def updated(
    artifact: Artifact, texts: Sequence[str], labels: Sequence[Any], embeddings: np.ndarray, rows: Sequence[int]
) -> tuple[Artifact, Update]:
    """The artifact with more examples: texts as the model reads them, and what its tail makes of them.

    `rows` are the numbers by which errors name them. A text that the model has already is replaced. Needs the
    training extra. Raises InputError for a model that keeps no examples, and for labels of the other kind.
    """
    started_s = time.monotonic()
    training = with_torch.training()
    from fewfit.training.rejecting import references

    examples, decision = artifact.examples, artifact.decision
    if examples is None:
        raise InputError(
            "The model keeps no examples (it was trained with keep_examples=False, or by an older fewfit), so it "
            "cannot be updated. Train it again on all examples."
        )
    new = _targets(artifact, labels, rows)
    repeated = set(map(text_key, texts))
    others = [row for row, text in enumerate(examples.texts) if text_key(text) not in repeated]
    kept = examples.take(np.array(others, dtype=int))
    matrix = np.concatenate([_widened(kept.matrix, new.n_labels), new.matrix])
    n_examples = int(artifact.manifest.training["n_texts"]) - (len(examples) - len(kept)) + len(texts)
    kept_before = _widened(examples.matrix, new.n_labels).sum(axis=0)
    counts = _label_counts(artifact, new.labels, kept_before) - kept_before + matrix.sum(axis=0)
    everything = replace(new, matrix=matrix, weights=_weights_of_all(new, matrix, counts, n_examples))
    _check_kept(everything, len(kept))
    together = np.concatenate([kept.embeddings.astype(np.float32), embeddings])
    tuned = artifact.manifest.tuned
    head = training.fit_head(together, everything, tuned=tuned)
    before = _before(artifact, new, embeddings)
    held_out = _held_out_logits(texts, together, everything, tuned=tuned)
    changed = _decision(decision, head, new, held_out)
    if decision.rejection is not None:
        # The threshold stays: it was fitted on texts that no model had seen, these the encoder was tuned on.
        changed = replace(changed, rejection=replace(decision.rejection, references=references(together, everything)))
    after = None
    if held_out is not None:
        confidences = changed.confidences(held_out)
        after = training.score(new, confidences, changed.matrix(confidences))
    known = set(map(text_key, examples.texts))
    n_replaced = sum(text_key(text) in known for text in texts)
    update = Update(
        n_added=len(texts) - n_replaced,
        n_replaced=n_replaced,
        n_examples=n_examples,
        new_labels=new.labels[len(decision.labels) :],
        before=before,
        after=after,
        reasons=_reasons(artifact, new, len(texts) - n_replaced, before),
        elapsed_s=time.monotonic() - started_s,
    )
    examples = KeptExamples.of([*kept.texts, *texts], together, matrix)
    return _changed(artifact, changed, examples, counts, update), update


def _targets(artifact: Artifact, labels: Sequence[Any], rows: Sequence[int]) -> "Targets":
    """The new labels as columns: those of the model first, then the new ones."""
    training = with_torch.training()
    known = artifact.decision.labels
    found: Targets = training.Targets.from_labels(labels)
    if found.kind != artifact.decision.kind:
        raise InputError(
            f"The labels are {'lists' if found.kind == 'multi' else 'strings'}, but the model is "
            f"{'multilabel' if artifact.decision.kind == 'multi' else 'single-label'}. Give them in the form that the "
            "model was trained with."
        )
    added = tuple(label for label in found.labels if label not in known)
    if added and artifact.manifest.training.get("indicator"):
        raise InputError("A model that answers with an indicator matrix cannot get another column. Train it again.")
    targets: Targets = training.Targets.from_labels(labels, known=(*known, *added))
    record = artifact.manifest.training
    if (path_separator := record.get("path_separator")) is not None:
        check_paths(path_separator, targets.kind, targets.labels)
    weights = label_weights(record.get("class_weight", "balanced"), targets.labels)
    groups = label_groups(record.get("group_separator"), targets.kind, targets.labels, targets.matrix, rows)
    return replace(targets, weights=weights, groups=groups)


def _check_kept(targets: "Targets", n_kept: int) -> None:
    """Raises InputError where the kept examples, the first ones, lack a label of a group."""
    for columns in map(list, targets.groups):
        lacking = n_kept - int(targets.matrix[:n_kept, columns].any(axis=1).sum())
        if lacking:
            names = ", ".join(repr(targets.labels[column]) for column in columns[:3])
            raise InputError(
                f"{lacking:,} examples of the model have no label of the group with {names}"
                f"{' ...' if columns[3:] else ''}. A group that is new needs a label on every text: train again on all "
                "examples."
            )


def _widened(matrix: np.ndarray, n_labels: int) -> np.ndarray:
    return np.pad(matrix, ((0, 0), (0, n_labels - matrix.shape[1])))


def _label_counts(artifact: Artifact, labels: Sequence[str], kept: np.ndarray) -> np.ndarray:
    """How many examples of each label the model was made from, (n_labels,); it may have `kept` fewer."""
    recorded = artifact.manifest.training.get("label_counts", {})
    return np.array([recorded.get(label, count) for label, count in zip(labels, kept.tolist(), strict=True)])


def _weights_of_all(new: "Targets", matrix: np.ndarray, counts: np.ndarray, n_examples: int) -> np.ndarray | None:
    """The weights of the labels, where `matrix` is a sample of `n_examples` that has too much of the rare ones.

    `counts` (n_labels,) are of all of them. Where labels count alike the sample does not matter.
    """
    if new.weights is None:
        return None
    sample = matrix.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (counts / n_examples) / (sample / len(matrix))
        if not new.exclusive:  # a label's positives are weighted beside its negatives
            share /= ((n_examples - counts) / n_examples) / ((len(matrix) - sample) / len(matrix))
    return new.weights * np.where(np.isfinite(share) & (share > 0), share, 1.0)


def _before(artifact: Artifact, new: "Targets", embeddings: np.ndarray) -> "Metrics | None":
    """How the model answered the new texts whose labels it knew."""
    training = with_torch.training()
    decision = artifact.decision
    n_known = len(decision.labels)
    rows = np.flatnonzero(~new.matrix[:, n_known:].any(axis=1))
    if not len(rows):
        return None
    confidences = decision.probabilities(embeddings[rows])
    truth = training.Targets(new.kind, decision.labels, new.matrix[rows, :n_known], groups=decision.groups)
    found: Metrics = training.score(truth, confidences, decision.matrix(confidences))
    return found


def _held_out_logits(
    texts: Sequence[str], embeddings: np.ndarray, targets: "Targets", *, tuned: bool
) -> np.ndarray | None:
    """Logits of the new texts, the last ones, by heads that were fitted without them; (n_new, n_labels).

    The old ones are in every fit and are not asked: the encoder was tuned on them.
    """
    training = with_torch.training()
    n_kept, n_folds = len(embeddings) - len(texts), min(_N_FOLDS, len(texts))
    if n_folds < 2:
        return None
    names = [[targets.labels[column] for column in np.flatnonzero(row)] for row in targets.matrix[n_kept:]]
    logits = np.zeros((len(texts), targets.n_labels), dtype=np.float32)
    everything = np.arange(len(embeddings))
    folds = stratified_folds(texts, names, n_folds=n_folds, seed=0)
    if len(folds) < 2:  # all of them are one text
        return None
    for rows in folds:
        others = np.setdiff1d(everything, rows + n_kept)
        head = training.fit_head(embeddings[others], targets.take(others), tuned=tuned)
        logits[rows] = head.logits(embeddings[rows + n_kept])
    return logits


def _decision(old: Decision, head: Any, new: "Targets", logits: np.ndarray | None) -> Decision:
    """The new head, with confidences and thresholds that the new texts may move as far as they are many."""
    from fewfit.training.calibration import fit_calibration
    from fewfit.training.thresholds import fit_thresholds

    n_known = len(old.labels)
    n_added = new.n_labels - n_known
    scale = np.append(old.calibration.scale, np.full(n_added, np.exp(np.log(old.calibration.scale).mean())))
    offset = np.append(old.calibration.offset, np.full(n_added, old.calibration.offset.mean()))
    calibration = Calibration(scale, offset)
    if new.exclusive:
        for columns in map(list, new.exclusive):
            # The labels of a group have one temperature, also those that are new in it.
            before = float(np.exp(np.log(scale[[column for column in columns if column < n_known]]).mean()))
            scale[columns] = before
            if logits is not None:
                found = fit_calibration(logits[:, columns], new.of_group(columns), prior_scale=before)
                scale[columns] = found.scale
        return replace(old, labels=new.labels, head=head, calibration=calibration, groups=new.groups)
    assert old.thresholds is not None
    thresholds = np.append(old.thresholds, np.full(n_added, np.median(old.thresholds)))
    decision = replace(old, labels=new.labels, head=head, calibration=calibration, thresholds=thresholds)
    if logits is None:
        return decision
    # Texts that all carry a label say nothing of where others end: what there is less of counts.
    evidence = np.minimum(new.counts, len(new) - new.counts)
    share = evidence / (evidence + _THRESHOLD_WEIGHT)
    own = _logit(fit_thresholds(decision.confidences(logits), new))
    return replace(decision, thresholds=1 / (1 + np.exp(-(share * own + (1 - share) * _logit(thresholds)))))


def _logit(shares: np.ndarray) -> np.ndarray:
    shares = np.clip(shares, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(shares / (1 - shares)))


def _reasons(artifact: Artifact, new: "Targets", n_added: int, before: "Metrics | None") -> tuple[str, ...]:
    record = artifact.manifest.training
    n_tuned = int(record.get("n_tuned", record["n_texts"]))
    n_since = int(record["n_texts"]) - n_tuned + n_added
    reasons = []
    never_tuned = [*record.get("untuned_labels", []), *new.labels[len(artifact.decision.labels) :]]
    if never_tuned:
        named = ", ".join(map(repr, never_tuned[:5])) + (" ..." if len(never_tuned) > 5 else "")
        reasons.append(f"The encoder was never tuned to tell {named} from the other labels.")
    if n_since > RETRAIN_SHARE * n_tuned:
        reasons.append(f"{n_since:,} examples came after the encoder was tuned on {n_tuned:,}.")
    own = "tuned" if artifact.manifest.tuned else "frozen"
    expected = artifact.manifest.metrics.get("out_of_fold", {}).get(own, {}).get("subset_accuracy")
    if before is not None and expected is not None:
        # Two standard errors of a share of so many texts: less is chance.
        error = (max(expected * (1 - expected), 0.01) / before.n_texts) ** 0.5
        if before.subset_accuracy < expected - 2 * error:
            reasons.append(
                f"Of the new texts, the model had {before.subset_accuracy:.0%} right before the update; when it was "
                f"trained it had {expected:.0%} of held-out texts right. The new texts are unlike the old ones."
            )
    return tuple(reasons)


def _changed(
    artifact: Artifact, decision: Decision, examples: KeptExamples, counts: np.ndarray, update: Update
) -> Artifact:
    from fewfit.serving.preparing import with_decision

    record = artifact.manifest.training
    entry = {
        "created_at": now(),
        "n_texts": update.n_added + update.n_replaced,
        "new_labels": list(update.new_labels),
        "retrain": list(update.reasons),
    }
    training = {
        **record,
        "n_texts": update.n_examples,
        "n_tuned": record.get("n_tuned", record["n_texts"]),
        "untuned_labels": [*record.get("untuned_labels", []), *update.new_labels],
        "label_counts": dict(zip(decision.labels, counts.tolist(), strict=True)),
        "updates": [*record.get("updates", []), entry],
    }
    metrics = {**artifact.manifest.metrics}
    metrics.pop("evaluation", None)  # of the model before
    if update.after is not None:
        metrics["update"] = {"n_texts": update.after.n_texts, **update.after.numbers()}
    changed = with_decision(artifact, decision)
    # A fast tier was taught what the model said before.
    manifest = replace(changed.manifest, labels=decision.labels, training=training, metrics=metrics, fast={})
    return replace(changed, manifest=manifest, frozen=None, examples=examples, fast=None)
