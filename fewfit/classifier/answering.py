"""What a fitted classifier says: answers, explanations, evaluations."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from fewfit.artifact import Artifact, Manifest
from fewfit.classifier import with_torch
from fewfit.classifier.estimator import Estimator
from fewfit.classifier.explaining import DEFAULT_WORDS, Explanation, explain
from fewfit.classifier.inputs import Labels, as_kept, label_names, one_of, text_rows
from fewfit.decision import Decision, Kind, LabelGroups, LabelTree, check_stop_below
from fewfit.errors import ArtifactError, BaseError, InputError, NotFittedError
from fewfit.serving.answers import Answers
from fewfit.serving.engine_runtime import EngineRuntime
from fewfit.serving.requests import Speed
from fewfit.serving.runtime import Runtime

if TYPE_CHECKING:
    from fewfit.encoders.encoder import Encoder
    from fewfit.training import Insight, Metrics
    from fewfit.training.evaluation import Evaluation

logger = logging.getLogger(__name__)

_KINDS = {"single": "single-label (one string a text)", "multi": "multilabel (a list of strings a text)"}


class Answering(Estimator):
    """The part of a classifier that needs it to be fitted, and leaves it as it is.

    `_with_torch` says whether torch embeds texts; else the engine does. Encoder and runtime are made when
    they are first needed, so that a copy of a classifier needs neither.
    """

    base: str | Path
    device: str
    _artifact: Artifact
    _indicator: bool
    _probe_texts: list[str]
    _with_torch: bool
    _insight: "Insight"
    _runtime_: Runtime
    _encoder_: "Encoder"

    # Answering ----------------------------------------------------------------------------------

    def predict(
        self,
        texts: Iterable[str],
        *,
        thresholds: float | Mapping[Any, float] | None = None,
        speed: Speed = "full",
        stop_below: float = 0.0,
    ) -> list[str] | list[str | None] | list[list[str]] | np.ndarray:
        """The label of each text, or the list of its labels (multilabel; possibly empty, surest first).

        A model with `reject` gives None to texts that are unlike all that it was trained on. Where labels are
        paths, `stop_below` is how sure an answer has to be: a text that is less sure of its label gets the nearest
        parent that is sure enough, at the least the first part of the path.

        Where labels are in groups, the list has one label of each, in the order of the groups.

        `thresholds` overrides the fitted ones for this call: one for all labels, or some by name. With
        speed="fast" the fast tier answers what it is sure of (see `distil`); it keeps to the fitted thresholds.
        """
        decision = self._fitted().decision
        if isinstance(thresholds, Mapping):
            thresholds = {self._name_of(label): value for label, value in thresholds.items()}
        decision = decision.with_thresholds(thresholds)
        check_stop_below(stop_below)
        if stop_below:
            _ = self.path_tree_  # raises where labels are no paths
        if speed == "fast" and thresholds is not None:
            raise InputError('speed="fast" holds for the fitted thresholds only. Leave out `thresholds` or `speed`.')
        answers = self.answers(texts, speed=speed)
        confidences = answers.confidences
        given = decision.matrix(confidences)
        if self._indicator:
            return given.astype(int)
        names = decision.labels
        if decision.kind == "single":
            if stop_below:
                best = self.path_tree_.answers(confidences, stop_below=stop_below)
            else:
                best = [names[column] for column in given.argmax(axis=1)]
            if decision.rejection is None:
                return best
            return [None if out else name for name, out in zip(best, answers.rejected, strict=True)]
        if decision.groups:
            order = np.tile(np.concatenate(decision.groups), (len(given), 1))
        else:
            order = np.argsort(-confidences, axis=1, kind="stable")
        return [[names[column] for column in row if given[number, column]] for number, row in enumerate(order)]

    def predict_proba(self, texts: Iterable[str], *, speed: Speed = "full") -> np.ndarray:
        """Confidences, (n_texts, n_labels), columns as in `classes_`; rows sum to 1 in single-label tasks.

        With speed="fast" those of texts that the fast tier is sure of are its own. A model without a fast
        tier, or one that torch computes, answers in full.
        """
        return self.answers(texts, speed=speed).confidences

    def answers(self, texts: Iterable[str], *, speed: Speed = "full") -> Answers:
        """Everything that is said of the texts at once: `confidences`, `rejected`, `embeddings`."""
        one_of("speed", speed, get_args(Speed))
        runtime = self._runtime()
        if speed == "fast" and isinstance(runtime, EngineRuntime):
            return runtime.fast_answers(text_rows(texts))
        return Answers(self._fitted().decision, runtime.embed(text_rows(texts)), {})

    def explain(
        self,
        texts: Iterable[str],
        *,
        label: str | int | None = None,
        n_examples: int = 3,
        n_words: int = DEFAULT_WORDS,
    ) -> list[Explanation]:
        """Why each text gets its surest label, or what speaks for `label`: nearest examples and words.

        Of a model that was trained on an indicator matrix, `label` is the number of a column.
        A word's weight is how far the label's log-odds fall without it. Each text is asked about up to
        `n_words` times more (0: no words); in longer texts, neighbouring words are taken together.
        """
        artifact = self._fitted()
        return explain(
            artifact,
            self._runtime().embed,
            text_rows(texts),
            label=self._name_of(label),
            n_examples=n_examples,
            n_words=n_words,
        )

    def evaluate(self, texts: Iterable[str], labels: Labels, *, compare: bool = True) -> "Evaluation":
        """How good the answers are on labelled texts, beside those of the frozen base.

        `compare=False` leaves the frozen base out, which halves the time. Needs the training extra. Raises
        InputError for labels that the model does not know.
        """
        training = with_torch.training()
        artifact = self._fitted()
        rows = text_rows(texts)
        names = self._given(labels)
        if len(rows) != len(names):
            raise InputError(f"There are {len(rows):,} texts and {len(names):,} labels; expected one label a text.")
        targets = training.Targets.from_labels(names, known=artifact.decision.labels)
        targets = replace(targets, groups=artifact.decision.groups)
        _check_kind(targets.kind, artifact.decision.kind)
        confidences = artifact.decision.probabilities(self._runtime().embed(rows))
        frozen = None
        if compare and artifact.frozen is not None and (runtime := self._frozen_runtime()) is not None:
            before = artifact.frozen.probabilities(runtime.embed(rows))
            frozen = training.score(targets, before, artifact.frozen.matrix(before))
        given = artifact.decision.matrix(confidences)
        report: Evaluation = training.evaluate_answers(targets, confidences, given, rows, frozen=frozen)
        return report

    def evaluate_paths(self, texts: Iterable[str], labels: Labels) -> "dict[int, Metrics]":
        """How good the answers are at each depth, where labels are paths: 1 is their first part.

        Raises InputError for a model whose labels are no paths and for labels with an unknown part.
        """
        training, tree, decision = with_torch.training(), self.path_tree_, self._fitted().decision
        names = self._given(labels)
        _check_kind(training.Targets.from_labels(names).kind, decision.kind)
        confidences = self.predict_proba(texts)
        if len(confidences) != len(names):
            raise InputError(f"There are {len(confidences):,} texts and {len(names):,} labels; expected one a text.")
        given = decision.matrix(confidences)
        found = {}
        for depth in range(1, tree.depth + 1):
            targets = training.Targets.from_labels([tree.cut(name, depth) for name in names], known=tree.nodes(depth))
            found[depth] = training.score(targets, tree.confidences(confidences, depth), tree.given(given, depth))
        return found

    def evaluate_groups(self, texts: Iterable[str], labels: Labels) -> "dict[str, Metrics]":
        """How good the answers are in each group, where labels are in groups; a text may lack a label of one.

        Raises InputError for a model whose labels are in no groups, for labels that it does not know and for texts with
        two of one group.
        """
        training, groups, decision = with_torch.training(), self.label_groups_, self._fitted().decision
        names = self._given(labels)
        confidences = self.predict_proba(texts)
        if len(confidences) != len(names):
            raise InputError(f"There are {len(confidences):,} texts and {len(names):,} labels; expected one a text.")
        targets = training.Targets.from_labels(names, known=decision.labels)
        groups.check(targets.matrix, range(1, len(names) + 1), partly=True)
        given = decision.matrix(confidences)
        found = {}
        for name, columns in zip(groups.names, map(list, groups.columns), strict=True):
            rows = np.flatnonzero(targets.matrix[:, columns].any(axis=1))
            if len(rows):
                own = targets.take(rows).of_group(columns)
                found[name] = training.score(own, confidences[rows][:, columns], given[rows][:, columns])
        return found

    def score(self, texts: Iterable[str], labels: Labels) -> float:
        """Share of texts whose answer is right (multilabel: in every label), as scikit-learn has it.

        A text with a label that the model does not know counts as wrong; `evaluate` raises there. A matrix has a
        column for each label of the model.
        """
        training, decision, rows = with_torch.training(), self._fitted().decision, text_rows(texts)
        listed, columns = label_names(labels)
        self._check_width(columns)
        names = [as_kept(label) for label in listed]
        if len(rows) != len(names):
            raise InputError(f"There are {len(rows):,} texts and {len(names):,} labels; expected one label a text.")
        known = decision.labels
        if columns is None:
            given_labels = training.Targets.from_labels(names).labels
            known += tuple(label for label in given_labels if label not in decision.labels)
        targets = training.Targets.from_labels(names, known=known)
        _check_kind(targets.kind, decision.kind)
        given = decision.matrix(self.predict_proba(rows))
        n_known = len(decision.labels)
        right = (targets.matrix[:, :n_known] == given).all(axis=1) & ~targets.matrix[:, n_known:].any(axis=1)
        return float(right.mean())

    @property
    def classes_(self) -> np.ndarray:
        """The labels, in the order of the columns of `predict_proba`."""
        labels = self._fitted().decision.labels
        return np.arange(len(labels)) if self._indicator else np.array(labels, dtype=object)

    @property
    def path_tree_(self) -> LabelTree:
        """The tree that the labels span, with confidences at each depth. Raises InputError where they are no paths."""
        decision = self._fitted().decision
        separator = self._fitted().manifest.training.get("path_separator")
        if separator is None:
            raise InputError(
                "The labels of this model are no paths. Train it with path_separator, such as ' > ' for "
                "'billing > refund'."
            )
        return LabelTree(decision.labels, separator)

    @property
    def label_groups_(self) -> LabelGroups:
        """The groups of which one label applies each. Raises InputError where labels are in no groups."""
        separator = self._fitted().manifest.training.get("group_separator")
        if separator is None:
            raise InputError(
                "The labels of this model are in no groups. Train it with group_separator, such as ': ' for "
                "'topic: billing' and 'tone: angry'."
            )
        return LabelGroups(self._fitted().decision.labels, separator)

    @property
    def warnings_(self) -> list[str]:
        """What was doubtful in the training data."""
        return list(self._fitted().manifest.warnings)

    @property
    def kept_texts_(self) -> tuple[str, ...]:
        """The training texts that the model keeps, for `update` and `explain`; none where it keeps no examples."""
        return self._fitted().kept_texts

    @property
    def manifest_(self) -> Manifest:
        """Everything that is known about the model: labels, base, settings, metrics."""
        return self._fitted().manifest

    @property
    def decision_(self) -> Decision:
        """What makes answers of confidences: head, calibration, thresholds."""
        return self._fitted().decision

    @property
    def insight_(self) -> "Insight":
        """What training showed beside the model: cross-validation, likely label errors, the learning curve.

        It is there after `fit` and not kept when saving. Raises NotFittedError for a model that was loaded.
        """
        self._fitted()
        if not hasattr(self, "_insight"):
            raise NotFittedError("Only a classifier that was fitted here has an insight; a loaded one has none.")
        insight: Insight = self._insight
        return insight

    # Inside -------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Parameters and the whole model: a copy does not need the folder that it was loaded from."""
        state = super().__getstate__()
        artifact: Artifact | None = state.get("_artifact")
        if artifact is not None and artifact.portable is not None:
            state["_artifact"] = replace(artifact, portable=artifact.portable.held())
        return state

    def __sklearn_is_fitted__(self) -> bool:
        """Whether fit or load has been called."""
        return hasattr(self, "_artifact")

    def _given(self, labels: Labels) -> list[Any]:
        """Labels as they were given to be compared with answers. Raises InputError for a matrix of another width."""
        names, columns = label_names(labels)
        self._check_width(columns)
        return [as_kept(label) for label in names]

    def _check_width(self, columns: list[str] | None) -> None:
        """Raises InputError where a matrix with these columns is no matrix of the model's labels."""
        n_labels = len(self._fitted().decision.labels)
        if columns is not None and self._indicator and len(columns) != n_labels:
            raise InputError(
                f"The matrix of labels has {len(columns):,} columns; expected {n_labels:,}, one for each label of the "
                "model."
            )

    def _name_of(self, label: Any) -> Any:
        """The name of a label that was given by the number of its column, as `classes_` has it; others as they are."""
        labels = self._fitted().decision.labels
        number = label if self._indicator and not isinstance(label, bool) else None
        return labels[number] if isinstance(number, int | np.integer) and 0 <= number < len(labels) else label

    def _fitted(self) -> Artifact:
        if not hasattr(self, "_artifact"):
            raise NotFittedError
        return self._artifact

    def _runtime(self) -> Runtime:
        """What embeds texts as they were given, and takes markup out of them if it has to; made again in a copy."""
        artifact = self._fitted()
        if not hasattr(self, "_runtime_"):
            if self._with_torch:
                manifest, encoder = artifact.manifest, self._own_encoder()
                self._runtime_ = with_torch.torch_runtime(encoder, manifest.base.tail_layers, artifact.tail, manifest)
            else:
                self._runtime_ = EngineRuntime(artifact)
        return self._runtime_

    def _own_encoder(self) -> "Encoder":
        """The encoder of the model's base, checked to be the one it was trained on."""
        if not hasattr(self, "_encoder_"):
            encoder = with_torch.load_encoder(self.base, self.device)
            reference = self._fitted().manifest.base
            if encoder.weights.digest != reference.digest:
                raise ArtifactError(
                    f"The model was trained on the base {reference.name} with digest {reference.digest[:12]}..., "
                    f"but {self.base} has {encoder.weights.digest[:12]}.... "
                    "Give the right weights with Classifier.load(folder, base=...)."
                )
            self._encoder_ = encoder
        return self._encoder_

    def _frozen_runtime(self) -> Runtime | None:
        """The untuned base, or None where its weights are not at hand."""
        try:
            encoder = self._own_encoder()
        except (BaseError, ArtifactError) as error:
            logger.info("There is no comparison with the frozen base: %s", error)
            return None
        return with_torch.torch_runtime(encoder, 0, {}, self._fitted().manifest)

    def _make_portable(self) -> None:
        """Adds what a plain install needs to classify, once after each fit."""
        artifact = self._fitted()
        if artifact.portable is not None:
            return
        self._artifact = with_torch.portable(artifact, self._own_encoder(), self._runtime(), self._probe_texts)


def _check_kind(given: Kind, model: Kind) -> None:
    if given != model:
        raise InputError(
            f"The labels are {_KINDS[given]}, but the model is {_KINDS[model]}. "
            "Give the labels in the form that the model was trained with."
        )
