"""One training job from texts and labels to a model: read, tune out of fold, tune, fit the head."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_rel

from fewfit.data import LongTexts, stratified_folds
from fewfit.decision import Calibration, Decision, Head, probabilities
from fewfit.encoders.encoder import Encoder
from fewfit.encoders.lora_extraction import extract_lora, freeze_all_but_attention
from fewfit.encoders.split import Tail, Trunk, parameters_of
from fewfit.training.activations import Activations, ComputedActivations, KeptActivations, embed
from fewfit.training.calibration import fit_calibration, fit_frozen_calibration, prior_calibration
from fewfit.training.cross_validation import OutOfFold
from fewfit.training.defaults import learning_rate_for, lora_rank_for, steps_for, tail_layers_for, tunes_all_layers
from fewfit.training.events import Progress
from fewfit.training.heads import fit_head
from fewfit.training.insight import Insight
from fewfit.training.label_names import are_words, names_help, spoken
from fewfit.training.long_texts import Reading, TrainingWindows, Way
from fewfit.training.metrics import log_losses, score
from fewfit.training.rejecting import HeldOutLikeness
from fewfit.training.self_training import MOST_UNLABELLED, pseudo_labels, sampled
from fewfit.training.settings import TrainingSettings
from fewfit.training.targets import Targets
from fewfit.training.thresholds import fit_thresholds
from fewfit.training.tuning import TuningPlan, tune

logger = logging.getLogger(__name__)

# Activations are kept up to this much memory; beyond it they are computed again at every step.
KEPT_ACTIVATIONS_LIMIT_BYTES = 4 * 2**30
# Embeddings by the untuned base stay with the model for its insight: 60 MB at 768 wide.
MOST_KEPT_EMBEDDINGS = 20_000
# Backward costs twice the forward pass; used to foresee how long a job will take.
TRAINING_COST_FACTOR = 3.0
# A tail is kept as a low-rank change where its training texts stay where they were, but for so much: 0.99 is usual.
LEAST_ALIKE = 0.95
# The frozen base is used where held-out texts speak against tuning at this level of a one-sided test.
HARM_SIGNIFICANCE = 0.05
# Of so many texts one in ten is spared from tuning, to tell how sure the model that is kept may be of itself: tails
# tuned on half of the texts say less of that. With 1,000 texts it cost 0.4 points of accuracy (benchmarks/README.md).
LEAST_TEXTS_TO_SPARE = 2_000
SPARED_ONE_IN = 10
# Heads take moments, so more folds of them than of tails.
HEAD_FOLDS = 5


@dataclass(frozen=True)
class TrainedModel:
    """What training leaves behind.

    `tail` is the tuned tail, or the base's own where tuning would not have helped (`tuned` says which), and
    `tail_parameters` what is kept of it: a low-rank change of the base's own, or all of its weights, by name.
    `frozen` is the decision over the untuned embeddings, kept to show what tuning is worth.
    `n_pseudo_labelled` is how many unlabelled texts it was tuned on (0 where that would not have helped).
    `out_of_fold` holds the metrics of both on texts that their tails had not seen (empty without folds).
    `insight` is what training showed beside that.
    `embeddings` (n_texts, embedding) are what the tail makes of the training texts, `likeness`
    (n_texts,) how like the others each was when it was held out (empty without folds). `reading` is how the model
    reads texts that are too long.
    """

    tail: Tail
    tail_parameters: dict[str, NDArray[np.float32]]
    decision: Decision
    frozen: Decision
    tuned: bool
    tail_layers: int
    steps: int
    n_pseudo_labelled: int
    out_of_fold: dict[str, dict[str, float]]
    embeddings: np.ndarray
    likeness: np.ndarray
    elapsed_s: float
    insight: Insight
    reading: Reading


def train(
    encoder: Encoder,
    texts: Sequence[str],
    targets: Targets,
    settings: TrainingSettings,
    *,
    unlabelled: Sequence[str] = (),
    seed: int = 0,
    max_length: int | None = None,
    long_texts: LongTexts = "auto",
    progress: Progress | None = None,
) -> TrainedModel:
    """Trains on all texts. The same seed on the same machine gives the same model.

    `unlabelled` texts are learnt from, too, where that helps on held-out texts; see `fewfit.training.self_training`.
    `long_texts` says how texts of more than `max_length` tokens are read; "auto" keeps the way that answers held-out
    texts better (see `fewfit.training.long_texts`).
    Raises Cancelled where the job's progress was cancelled; nothing outside is changed by then.
    """
    started_s = time.monotonic()
    job = _Job(encoder, texts, targets, settings, seed, max_length, long_texts, progress or Progress(), unlabelled)
    return job.run(started_s)


def cross_validate(
    encoder: Encoder,
    texts: Sequence[str],
    targets: Targets,
    settings: TrainingSettings,
    *,
    seed: int = 0,
    max_length: int | None = None,
    long_texts: LongTexts = "auto",
    progress: Progress | None = None,
) -> Insight:
    """What tuned models say of texts that they have not seen, by `settings.n_folds`; no model comes of it."""
    job = _Job(encoder, texts, targets, settings, seed, max_length, long_texts, progress or Progress())
    return job.cross_validate()


@dataclass(frozen=True)
class _Tuned:
    """A tuned tail, and in each way of reading long texts a head on what it makes of the labelled `texts`.

    `embeddings` are (n_texts, embedding), `start` are heads on what the untuned tail makes of the same texts,
    `n_pseudo_labelled` is how many unlabelled texts it was tuned on beside.
    """

    tail: Tail
    heads: Mapping[Way, Head]
    embeddings: Mapping[Way, np.ndarray]
    start: Mapping[Way, Head]
    texts: np.ndarray
    n_pseudo_labelled: int = 0


@dataclass(frozen=True)
class _HeldOut:
    """Logits of tuned and frozen models on texts they were not fitted on, (n_texts, n_labels) each.

    `way` and `reading` say how long texts are read; `self_trained` whether unlabelled texts are to be learnt from,
    and were by the tuned models.
    """

    way: Way
    reading: Reading
    tuned: np.ndarray
    frozen: np.ndarray
    likeness: HeldOutLikeness
    self_trained: bool = False


class _Job:
    """The state of one training job: what its stages share."""

    def __init__(
        self,
        encoder: Encoder,
        texts: Sequence[str],
        targets: Targets,
        settings: TrainingSettings,
        seed: int,
        max_length: int | None,
        long_texts: LongTexts,
        progress: Progress,
        unlabelled: Sequence[str] = (),
    ) -> None:
        self.encoder = encoder
        self.texts = texts
        self.labelled = np.arange(len(texts))
        read = sampled(unlabelled, MOST_UNLABELLED, seed)
        self.unlabelled = np.arange(len(texts), len(texts) + len(read))
        self.targets = targets
        self.settings = settings
        self.seed = seed
        self.progress = progress
        self.names: Activations | None = None
        self.device = encoder.device
        self.all_layers = tunes_all_layers(encoder, targets, settings)
        self.tail_layers = tail_layers_for(encoder, settings, all_layers=self.all_layers)
        self.lora_rank = lora_rank_for(encoder, targets.kind, settings)
        self.learning_rate = learning_rate_for(encoder, targets.kind, settings)
        self.self_training_steps = self._steps_for(2 * len(texts))
        folds = min(settings.n_folds, int(targets.counts.max()), len(texts))
        self.folds: list[np.ndarray] = []
        if folds > 1:
            self.folds = stratified_folds(texts, _fold_keys(targets), n_folds=folds, seed=seed)
        self.many = len(texts) >= max(LEAST_TEXTS_TO_SPARE, SPARED_ONE_IN * targets.n_labels)
        self.spared = np.arange(0)
        if self.many and targets.exclusive:
            self.spared = stratified_folds(texts, _fold_keys(targets), n_folds=SPARED_ONE_IN, seed=seed)[0]
        self.steps = self._steps_on(len(texts) - len(self.spared))
        self.windows = TrainingWindows(
            encoder.tokenizer,
            [*texts, *read],
            max_length=max_length,
            long_texts=long_texts,
            held_out=bool(self.folds),
            n_labelled=len(texts),
        )
        self.token_ids = self.windows.token_ids

    def run(self, started_s: float) -> TrainedModel:
        self._plan()
        trunk = self.encoder.trunk(self.tail_layers)
        tail = self._new_tail()
        activations = self._activations(trunk)
        untuned = self._embed(tail, activations, self.labelled)
        self.names = self._names(trunk, tail, untuned[self.windows.ways[0]])
        held_out = self._out_of_fold(activations, untuned)
        way, tuned_logits, frozen_logits = held_out.way, held_out.tuned, held_out.frozen
        embeddings = untuned[way]
        frozen_head = fit_head(embeddings, self.targets)
        tuning = np.setdiff1d(self.labelled, self.spared)
        learnt = self._tuned({way: frozen_head}, activations, tuning, way, self.seed, "Tuning")
        if held_out.self_trained:
            learnt = self._self_trained(learnt, activations, way, self.seed, "Tuning with unlabelled texts")
        learnt, lora = self._compact(learnt, activations, way)
        calibration = None
        if len(self.spared):
            learnt, calibration = self._with_spared(learnt, activations, way)
        tail, tuned_embeddings, head = learnt.tail, learnt.embeddings[way], learnt.heads[way]
        decision = self._decision(head, tuned_logits, self._tuned_calibration(tuned_logits))
        frozen = self._decision(frozen_head, frozen_logits, fit_frozen_calibration(frozen_logits, self.targets))
        out_of_fold = {}
        tuned = True
        if self.folds:
            # Scored as what they are, answers of the folds' tails: calibration and thresholds are theirs.
            out_of_fold = {
                "tuned": self._score(decision, tuned_logits),
                "frozen": self._score(frozen, frozen_logits),
            }
            # That tuning helps is the rule: a few texts that say else may be chance.
            tuned = out_of_fold["tuned"]["macro_f1"] >= out_of_fold["frozen"]["macro_f1"] or not self._surer_untuned(
                decision.confidences(tuned_logits), frozen.confidences(frozen_logits)
            )
        if not tuned:
            logger.warning("On held-out folds the tuned base was clearly worse; the frozen base is used.")
            tail = self._new_tail()
            lora = self._lora(tail)
        if calibration is not None:
            decision = replace(decision, calibration=calibration)
        return TrainedModel(
            tail=tail,
            tail_parameters=lora or parameters_of(tail),
            decision=decision if tuned else frozen,
            frozen=frozen,
            tuned=tuned,
            tail_layers=self.tail_layers,
            steps=self.steps if tuned else 0,
            n_pseudo_labelled=learnt.n_pseudo_labelled if tuned else 0,
            out_of_fold=out_of_fold,
            embeddings=tuned_embeddings if tuned else embeddings,
            likeness=held_out.likeness.of(tuned=tuned),
            elapsed_s=time.monotonic() - started_s,
            insight=Insight(
                self.texts,
                self.targets,
                embeddings if len(embeddings) <= MOST_KEPT_EMBEDDINGS else None,
                OutOfFold(self.folds, tuned_logits, frozen_logits) if self.folds else None,
                tuned,
            ),
            reading=held_out.reading,
        )

    def cross_validate(self) -> Insight:
        self._plan()
        trunk, tail = self.encoder.split(self.tail_layers)
        activations = self._activations(trunk)
        untuned = self._embed(tail, activations, self.labelled)
        self.names = self._names(trunk, tail, untuned[self.windows.ways[0]])
        held_out = self._out_of_fold(activations, untuned)
        out_of_fold = OutOfFold(self.folds, held_out.tuned, held_out.frozen) if self.folds else None
        return Insight(self.texts, self.targets, untuned[held_out.way], out_of_fold, bool(self.folds))

    def _new_tail(self) -> Tail:
        """The base's own tail, ready to be tuned."""
        _, tail = self.encoder.split(self.tail_layers)
        if self.lora_rank is not None:
            freeze_all_but_attention(tail)
        return tail

    def _lora(self, tail: Tail) -> dict[str, NDArray[np.float32]] | None:
        """A tail as a low-rank change of the base's own; None where that is not wanted, or has no such form."""
        return None if self.lora_rank is None else extract_lora(tail, self._new_tail(), self.lora_rank)

    def _compact(
        self, learnt: "_Tuned", activations: Activations, way: Way
    ) -> tuple["_Tuned", dict[str, NDArray[np.float32]] | None]:
        """The tuned tail as a low-rank change of the base's own, with its own head; as it was where that says else."""
        lora = self._lora(learnt.tail)
        if lora is None:
            return learnt, None
        tail = self.encoder.tail_of(self.tail_layers, lora)
        compact = self._with_heads(tail.eval(), learnt.start, activations, learnt.texts)
        alike = _mean_cosine(learnt.embeddings[way], compact.embeddings[way])
        if alike < LEAST_ALIKE:
            logger.warning(
                "A change of rank %d says something else (a mean cosine of %.3f), so the tail is kept whole.",
                self.lora_rank,
                alike,
            )
            return learnt, None
        return replace(compact, n_pseudo_labelled=learnt.n_pseudo_labelled), lora

    def _plan(self) -> None:
        """Announces the work, in units of one text through one layer forward."""
        k = self.tail_layers
        self.cost_per_text = float(max(1, self.encoder.config.n_layers - k))
        batch = min(self.settings.batch_size, len(self.texts))
        self.cost_per_step = TRAINING_COST_FACTOR * batch * max(1, k)
        if self._keeps_activations():
            self.progress.plan(len(self.token_ids), self.cost_per_text)
        else:
            self.cost_per_step += batch * self.cost_per_text
        steps = self.steps + sum(self._steps_on(len(self.texts) - len(fold)) for fold in self.folds)
        if len(self.unlabelled):
            steps += self.self_training_steps * (1 + len(self.folds))
        self.progress.plan(steps, self.cost_per_step)

    def _steps_on(self, n_texts: int) -> int:
        """The steps of a tail that sees `n_texts` of the texts: with many as many passes, with few as many steps."""
        return self._steps_for(n_texts if self.many else len(self.texts))

    def _steps_for(self, n_texts: int) -> int:
        return steps_for(n_texts, self.targets.n_labels, self.settings, all_layers=self.all_layers)

    def _keeps_activations(self) -> bool:
        n_tokens = sum(len(ids) for ids in self.token_ids)
        return n_tokens * self.encoder.config.hidden_size * 4 <= KEPT_ACTIVATIONS_LIMIT_BYTES

    def _activations(self, trunk: Trunk) -> Activations:
        stage = f"Reading {len(self.texts) + len(self.unlabelled):,} texts"
        self.progress.report(stage)
        if not self._keeps_activations():
            return ComputedActivations(trunk, self.encoder.tokenizer, self.token_ids, device=self.device)
        return KeptActivations(
            trunk,
            self.encoder.tokenizer,
            self.token_ids,
            device=self.device,
            batch_tokens=self.settings.batch_tokens,
            progress=self.progress,
            stage=stage,
            cost_per_text=self.cost_per_text,
        )

    def _names(self, trunk: Trunk, tail: Tail, embeddings: np.ndarray) -> Activations | None:
        """The trunk's output for the label names; None where they are not to count or say nothing."""
        spoken_names = [spoken(label) for label in self.targets.labels]
        if not self.settings.label_names_weight or not are_words(spoken_names):
            return None
        token_ids = self.encoder.tokenizer.encode(spoken_names)
        names = KeptActivations(
            trunk,
            self.encoder.tokenizer,
            token_ids,
            device=self.device,
            batch_tokens=self.settings.batch_tokens,
            progress=Progress(),  # too little to be counted
            stage="",
            cost_per_text=0.0,
        )
        return names if names_help(embeddings, self._embed_rows(tail, names), self.targets) else None

    def _embed(self, tail: Tail, activations: Activations, texts: np.ndarray) -> dict[Way, np.ndarray]:
        """Embeddings of some texts in each way of reading the long ones, (n_texts, hidden)."""
        return self.windows.by_way(self._embed_rows(tail, activations, self.windows.rows(texts)), texts)

    def _embed_rows(self, tail: Tail, activations: Activations, rows: np.ndarray | None = None) -> np.ndarray:
        return embed(
            tail,
            activations,
            device=self.device,
            batch_tokens=self.settings.batch_tokens,
            progress=self.progress,
            rows=rows,
        )

    def _tuned(
        self,
        start: Mapping[Way, Head],
        activations: Activations,
        texts: np.ndarray,
        way: Way,
        seed: int,
        stage: str,
    ) -> _Tuned:
        """A tail tuned on some labelled texts; `start` are the heads on what the untuned tail makes of them."""
        steps = self._steps_on(len(texts))
        tail = self._tune(start[way], activations, self.targets, texts, steps, way, seed, stage)
        return self._with_heads(tail, start, activations, texts)

    def _self_trained(self, teacher: _Tuned, activations: Activations, way: Way, seed: int, stage: str) -> _Tuned:
        """A tail tuned on the labelled texts of `teacher` and on the unlabelled ones that it is surest of."""
        logits = teacher.heads[way].logits(self._embed(teacher.tail, activations, self.unlabelled)[way])
        chosen, labels = pseudo_labels(probabilities(self.targets.kind, logits), self.targets.take(teacher.texts))
        taken = self.unlabelled[chosen]
        matrix = np.zeros((len(self.texts) + len(self.unlabelled), self.targets.n_labels), dtype=bool)
        matrix[self.labelled] = self.targets.matrix
        matrix[taken] = labels
        targets, texts = replace(self.targets, matrix=matrix), np.concatenate([teacher.texts, taken])
        steps = self.self_training_steps
        tail = self._tune(teacher.start[way], activations, targets, texts, steps, way, seed, stage)
        student = self._with_heads(tail, teacher.start, activations, teacher.texts)
        return replace(student, n_pseudo_labelled=len(taken))

    def _tune(
        self,
        start: Head,
        activations: Activations,
        targets: Targets,
        texts: np.ndarray,
        steps: int,
        way: Way,
        seed: int,
        stage: str,
    ) -> Tail:
        """A fresh tail, tuned on `texts`."""
        tail = self._new_tail()
        tail.set_dropout(self.settings.dropout)
        tune(
            tail,
            start,
            activations,
            targets,
            texts,
            TuningPlan(self.settings, steps, self.learning_rate, seed),
            device=self.device,
            progress=self.progress,
            stage=stage,
            cost_per_step=self.cost_per_step,
            names=self.names,
            pick=partial(self.windows.pick, way=way) if self.windows.windows.several else None,
        )
        return tail

    def _with_heads(self, tail: Tail, start: Mapping[Way, Head], activations: Activations, texts: np.ndarray) -> _Tuned:
        self.progress.report("Fitting the head")
        embeddings = self._embed(tail, activations, texts)
        own = self.targets.take(texts)
        heads = {way: fit_head(embeddings[way], own, tuned=True) for way in start}
        return _Tuned(tail, heads, embeddings, start, texts)

    def _with_spared(self, learnt: _Tuned, activations: Activations, way: Way) -> tuple[_Tuned, Calibration]:
        """The head on all texts, also those spared from tuning, and the calibration that these have told.

        The tail has made the others clearer than new texts are, and a head on those alone is surer than one that also
        knows some of these. So each spared text is asked of a head that was fitted without it, but with most others.
        """
        inside, outside = learnt.embeddings[way], self._embed(learnt.tail, activations, self.spared)[way]
        embeddings = np.empty((len(self.texts), inside.shape[1]), dtype=inside.dtype)
        embeddings[learnt.texts], embeddings[self.spared] = inside, outside
        spared = self.targets.take(self.spared)
        logits = learnt.heads[way].logits(outside)
        texts = [self.texts[row] for row in self.spared.tolist()]
        for part in stratified_folds(texts, _fold_keys(spared), n_folds=HEAD_FOLDS, seed=self.seed):
            kept = np.setdiff1d(self.labelled, self.spared[part])
            logits[part] = fit_head(embeddings[kept], self.targets.take(kept), tuned=True).logits(outside[part])
        head = fit_head(embeddings, self.targets, tuned=True)
        learnt = replace(learnt, heads={way: head}, embeddings={way: embeddings}, texts=self.labelled)
        return learnt, fit_calibration(logits, spared)

    def _out_of_fold(self, activations: Activations, untuned: Mapping[Way, np.ndarray]) -> _HeldOut:
        """What tuned and frozen models say of texts they were not fitted on, in the better way of reading long ones.

        All ways see the same tails. Without folds, heads over the frozen base stand in for tuned ones, and unlabelled
        texts are learnt from unchecked.
        """
        shape = (len(self.texts), self.targets.n_labels)
        frozen = {way: np.zeros(shape, dtype=np.float32) for way in untuned}
        starts: list[dict[Way, Head]] = []
        for fold in self.folds or self._head_folds():
            kept = np.setdiff1d(self.labelled, fold)
            own = self.targets.take(kept)
            starts.append({way: fit_head(embeddings[kept], own) for way, embeddings in untuned.items()})
            for way, embeddings in untuned.items():
                frozen[way][fold] = starts[-1][way].logits(embeddings[fold])
        if not self.folds:
            way, reading = self.windows.reading(frozen, self.targets)
            logits = frozen[way]
            return _HeldOut(way, reading, logits, logits, HeldOutLikeness(), self_trained=len(self.unlabelled) > 0)
        stage = f"Checking on held-out texts, part {{}} of {len(self.folds)}"
        tails = (
            self._tuned(
                start,
                activations,
                np.setdiff1d(self.labelled, fold),
                self.windows.ways[-1],
                self.seed + number,
                stage.format(number),
            )
            for number, (start, fold) in enumerate(zip(starts, self.folds, strict=True), start=1)
        )
        # The tails of all folds are kept only where others are taught by them.
        teachers: Iterable[_Tuned] = list(tails) if len(self.unlabelled) else tails
        answers = self._answers(teachers, activations, untuned)
        way, reading = self.windows.reading({way: tuned for way, (tuned, _) in answers.items()}, self.targets)
        held_out = _HeldOut(way, reading, answers[way][0], frozen[way], answers[way][1])
        if not len(self.unlabelled):
            return held_out
        students = (
            self._self_trained(
                teacher, activations, way, self.seed + number, f"{stage.format(number)}, unlabelled texts"
            )
            for number, teacher in enumerate(teachers, start=1)
        )
        tuned, likeness = self._answers(students, activations, untuned)[way]
        if self._self_training_helps(tuned, held_out):
            return replace(held_out, tuned=tuned, likeness=likeness, self_trained=True)
        logger.warning("Unlabelled texts did not help on held-out folds; the model learns from the labelled ones only.")
        return held_out

    def _answers(
        self, tails: Iterable[_Tuned], activations: Activations, untuned: Mapping[Way, np.ndarray]
    ) -> dict[Way, tuple[np.ndarray, HeldOutLikeness]]:
        """What tails, one a fold, say of the texts of their fold: logits (n_texts, n_labels) and likeness, by way."""
        shape = (len(self.texts), self.targets.n_labels)
        found = {way: (np.zeros(shape, dtype=np.float32), HeldOutLikeness()) for way in untuned}
        for tuned, fold in zip(tails, self.folds, strict=True):
            own, outside = self.targets.take(tuned.texts), self._embed(tuned.tail, activations, fold)
            for way, (logits, likeness) in found.items():
                logits[fold] = tuned.heads[way].logits(outside[way])
                before = untuned[way][tuned.texts], untuned[way][fold]
                likeness.see(own, tuned=(tuned.embeddings[way], outside[way]), frozen=before)
        return found

    def _self_training_helps(self, tuned: np.ndarray, taught: _HeldOut) -> bool:
        """Whether tails that saw unlabelled texts (their logits are `tuned`) are better than those that taught them."""
        no_head = Head(np.zeros((self.targets.n_labels, 0)), np.zeros(self.targets.n_labels))
        student, teacher, frozen = (
            self._score(self._decision(no_head, logits, calibration), logits)
            for logits, calibration in (
                (tuned, self._tuned_calibration(tuned)),
                (taught.tuned, self._tuned_calibration(taught.tuned)),
                (taught.frozen, fit_frozen_calibration(taught.frozen, self.targets)),
            )
        )
        # One that is no better than the base as it is must not take the place of one that is.
        return _helps(student, teacher) and (_helps(student, frozen) or not _helps(teacher, frozen))

    def _head_folds(self) -> list[np.ndarray]:
        n_folds = min(HEAD_FOLDS, int(self.targets.counts.max()), len(self.texts))
        if n_folds < 2:
            return []
        return stratified_folds(self.texts, _fold_keys(self.targets), n_folds=n_folds, seed=self.seed)

    def _tuned_calibration(self, logits: np.ndarray) -> Calibration:
        if self.targets.exclusive and not self.folds:
            return prior_calibration(self.targets)  # nothing is known of tuned tails on texts they have not seen
        return fit_calibration(logits, self.targets)

    def _decision(self, head: Head, logits: np.ndarray, calibration: Calibration) -> Decision:
        decision = Decision(self.targets.kind, self.targets.labels, head, calibration, groups=self.targets.groups)
        if decision.exclusive:
            return decision
        thresholds = fit_thresholds(decision.confidences(logits), self.targets)
        return replace(decision, thresholds=thresholds)

    def _surer_untuned(self, tuned: np.ndarray, frozen: np.ndarray) -> bool:
        """Whether held-out log-losses of confidences (n_texts, n_labels) are lower untuned, by more than chance."""
        losses = log_losses(self.targets, tuned), log_losses(self.targets, frozen)
        return bool(ttest_rel(*losses, alternative="greater").pvalue < HARM_SIGNIFICANCE)

    def _score(self, decision: Decision, logits: np.ndarray) -> dict[str, float]:
        confidences = decision.confidences(logits)
        return score(self.targets, confidences, decision.matrix(confidences)).numbers()


def _fold_keys(targets: Targets) -> list[str] | list[list[str]]:
    """The labels of each row as names, as the splits want them."""
    if targets.kind == "single":
        return [targets.labels[column] for column in targets.index]
    return [[targets.labels[column] for column in np.flatnonzero(row)] for row in targets.matrix]


def _mean_cosine(some: np.ndarray, others: np.ndarray) -> float:
    """How alike two embeddings (n_texts, width) of the same texts are, from -1 to 1."""
    lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(others, axis=1)
    return float(np.mean((some * others).sum(axis=1) / np.maximum(lengths, 1e-12)))


def _helps(after: dict[str, float], before: dict[str, float]) -> bool:
    """A step is kept unless held-out texts speak against it in both ways: fewer right, and less sure."""
    return after["macro_f1"] >= before["macro_f1"] or after["loss"] <= before["loss"]
