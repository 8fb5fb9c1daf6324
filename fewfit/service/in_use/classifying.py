"""Classification: with a fine-tuned model, or by the examples in the request."""

import hashlib
import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from anyio import to_thread

from fewfit.decision import Calibration, Decision
from fewfit.errors import InputError
from fewfit.service.errors import DatabaseError
from fewfit.service.in_use.loading import ModelLoader
from fewfit.service.in_use.registry import Registry
from fewfit.service.in_use.reviewing import Sampler
from fewfit.service.in_use.usage import Stopwatch, Usage
from fewfit.service.models.bases import Bases
from fewfit.service.models.models import Models, ReadyVersion
from fewfit.service.names import check_unicode
from fewfit.service.records import (
    Caller,
    Classification,
    ClassifiedText,
    LabelledText,
    Speed,
    Truncate,
)
from fewfit.settings import Settings

logger = logging.getLogger(__name__)

_USED_EVERY_S = 60.0
# More confidences than this are sorted in a thread, so that the event loop goes on.
_INLINE_CONFIDENCES = 4096
_NO_TIER = "This version has no fast tier, so the model itself has answered; make one with a distillation."
_TRUNCATES: tuple[Truncate, ...] = ("START", "END", "NONE")


class Classifying:
    """Answers to texts."""

    def __init__(
        self,
        models: Models,
        registry: Registry,
        loader: ModelLoader,
        bases: Bases,
        settings: Settings,
        usage: Usage,
        sampler: Sampler,
    ) -> None:
        self._models = models
        self._registry = registry
        self._loader = loader
        self._bases = bases
        self._settings = settings
        self._usage = usage
        self._sampler = sampler
        self._used_s: dict[str, float] = {}
        self._example_sets = ExampleSets(settings.cached_example_sets)

    def classify(
        self,
        caller: Caller,
        inputs: Sequence[str],
        *,
        model: str,
        truncate: Truncate = "END",
        thresholds: float | Mapping[str, float] | None = None,
    ) -> Classification:
        """Classifies with a fine-tuned model (scope classify). Raises NotFoundError, NotReadyError, InputError.

        `thresholds` overrides those of a multilabel model for this request.
        """
        self._check(caller, inputs, truncate)
        version = self._models.ready_version(caller.organization_id, model)
        with self._stopwatch(version, inputs):
            loaded = self._registry.get(version)
            decision = loaded.decision.with_thresholds(thresholds)
            embeddings = loaded.embed(inputs, truncate)
        if self._is_use_due(version.model_id):
            self._note_use(version.model_id)
        return self._answered(version, inputs, decision.probabilities(embeddings), decision)

    async def classify_async(
        self,
        caller: Caller,
        inputs: Sequence[str],
        *,
        model: str,
        truncate: Truncate = "END",
        thresholds: float | Mapping[str, float] | None = None,
        speed: Speed = "full",
    ) -> Classification:
        """Like `classify`, for coroutines. Threads are used only for what is not in memory, or takes long.

        With speed="fast" the model's fast tier answers what it is sure of; a model without one answers in full.
        """
        self._check(caller, inputs, truncate)
        if speed == "fast" and thresholds is not None:
            raise InputError("The fast tier keeps to the fitted thresholds: give thresholds or speed='fast', not both.")
        version = self._models.ready_at_once(caller.organization_id, model)
        if version is None:
            version = await to_thread.run_sync(self._models.ready_version, caller.organization_id, model)
        with self._stopwatch(version, inputs):
            loaded = self._registry.at_once(version)
            if loaded is None:
                loaded = await to_thread.run_sync(self._registry.get, version)
            decision = loaded.decision.with_thresholds(thresholds)
            tier: Speed = speed if loaded.has_fast_tier else "full"
            confidences = await loaded.confidences_async(inputs, truncate, tier)
        if self._is_use_due(version.model_id):
            await to_thread.run_sync(self._note_use, version.model_id)
        if len(inputs) * len(decision.labels) > _INLINE_CONFIDENCES:
            answered = await to_thread.run_sync(self._answered, version, inputs, confidences, decision)
        else:
            answered = self._answered(version, inputs, confidences, decision)
        return replace(answered, warnings=(_NO_TIER,)) if speed == "fast" and not loaded.has_fast_tier else answered

    def classify_examples(
        self,
        caller: Caller,
        inputs: Sequence[str],
        examples: Sequence[LabelledText],
        *,
        base_name: str = "",
        truncate: Truncate = "END",
    ) -> Classification:
        """Classifies by the examples in the request, without training (scope classify).

        A linear head over the untuned base's embeddings, kept for the next request with the same examples.
        """
        self._check(caller, inputs, truncate)
        self._check_examples(examples)
        base = self._bases.resolve(base_name)
        key = _examples_key(base, examples)
        with Stopwatch(self._usage, caller.organization_id, "", len(inputs)):
            decision = self._example_sets.get(key)
            if decision is None:
                decision = self._fit(base, examples)
                self._example_sets.put(key, decision)
            confidences = decision.probabilities(self._loader.embed(base, inputs, truncate))
        return _classification(inputs, confidences, decision)

    def forget(self, model_id: str) -> None:
        """Lets go of a deleted model."""
        self._registry.forget(model_id)
        self._used_s.pop(model_id, None)

    def _fit(self, base: str, examples: Sequence[LabelledText]) -> Decision:
        from fewfit.training import Targets
        from fewfit.training.heads import fit_head

        # Examples are read as far as the base reads: they are the user's own and not a reason to fail.
        embeddings = self._loader.embed(base, [example.text for example in examples], "END")
        targets = Targets.from_labels([example.label for example in examples], known=None)
        head = fit_head(embeddings, targets)
        return Decision("single", targets.labels, head, Calibration.identity(len(targets.labels)))

    def _check(self, caller: Caller, inputs: Sequence[str], truncate: Truncate) -> None:
        caller.require("classify")
        self._check_inputs(inputs)
        if truncate not in _TRUNCATES:
            raise InputError(f"truncate is {truncate!r}; expected one of {', '.join(_TRUNCATES)}.")

    def _stopwatch(self, version: ReadyVersion, inputs: Sequence[str]) -> Stopwatch:
        return Stopwatch(self._usage, version.organization_id, version.model_id, len(inputs))

    def _answered(
        self, version: ReadyVersion, inputs: Sequence[str], confidences: np.ndarray, decision: Decision
    ) -> Classification:
        if version.reviewed:
            self._sampler.offer(
                version.organization_id, version.model_id, version.number, inputs, confidences, decision
            )
        return _classification(inputs, confidences, decision)

    def _check_inputs(self, inputs: Sequence[str]) -> None:
        limit = self._settings.max_inputs
        if not inputs:
            raise InputError(f"inputs is empty; expected 1 to {limit} texts.")
        if len(inputs) > limit:
            raise InputError(f"At most {limit} inputs are allowed, received {len(inputs)}.")
        for place, text in enumerate(inputs):
            if not text:
                raise InputError(f"inputs[{place}] is empty; expected a text with at least one character.")
            check_unicode(text, f"inputs[{place}]")

    def _check_examples(self, examples: Sequence[LabelledText]) -> None:
        if len(examples) > self._settings.max_examples:
            raise InputError(f"At most {self._settings.max_examples} examples are allowed, received {len(examples)}.")
        for place, example in enumerate(examples):
            if not example.text.strip() or not example.label.strip():
                raise InputError(f"examples[{place}] has an empty text or label; expected both.")
            check_unicode(example.text, f"examples[{place}].text")
            check_unicode(example.label, f"examples[{place}].label")
        counts = Counter(example.label for example in examples)
        if len(counts) < 2:
            found = f"only {next(iter(counts))!r}" if counts else "none"
            raise InputError(f"The examples need at least 2 different labels, received {found}.")
        few = sorted(label for label, count in counts.items() if count < 2)
        if few:
            names = ", ".join(map(repr, few[:20]))
            raise InputError(f"Each label needs at least 2 examples; these have 1: {names}.")

    def _is_use_due(self, model_id: str) -> bool:
        """Whether the time of last use is to be written: to the minute, without a write at every request."""
        now_s = time.monotonic()
        if now_s - self._used_s.get(model_id, -_USED_EVERY_S) < _USED_EVERY_S:
            return False
        self._used_s[model_id] = now_s
        return True

    def _note_use(self, model_id: str) -> None:
        try:
            self._models.touch(model_id)
        except DatabaseError:
            # The answer is there; a store that is busy or away is no reason to keep it back.
            logger.warning("The time of last use of model %s could not be written", model_id)


class ExampleSets:
    """Decisions for sets of examples, the ones unused for longest dropped."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._decisions: OrderedDict[str, Decision] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Decision | None:
        """What was kept."""
        with self._lock:
            if key in self._decisions:
                self._decisions.move_to_end(key)
            return self._decisions.get(key)

    def put(self, key: str, decision: Decision) -> None:
        """Keeps one."""
        with self._lock:
            self._decisions[key] = decision
            while len(self._decisions) > self._limit:
                self._decisions.popitem(last=False)


def _examples_key(base: str, examples: Sequence[LabelledText]) -> str:
    digest = hashlib.sha256(base.encode())
    for example in examples:
        for part in (example.text, example.label):
            data = part.encode()
            # With its length before it, no two sets of examples give the same bytes.
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _classification(inputs: Sequence[str], confidences: np.ndarray, decision: Decision) -> Classification:
    labels = decision.labels
    texts = []
    rows = confidences.tolist()
    if decision.kind == "single":
        # Not by numpy, whose argmax lets other threads run first: on an event loop that is most of what it takes.
        given = [[scores.index(max(scores))] for scores in rows]
    else:
        given = _surest_first(confidences, decision)
    for text, scores, columns in zip(inputs, rows, given, strict=True):
        texts.append(
            ClassifiedText(
                input=text,
                predictions=tuple([labels[column] for column in columns]),
                confidences=tuple([scores[column] for column in columns]),
                labels=dict(zip(labels, scores, strict=True)),
            )
        )
    return Classification(decision.kind, tuple(texts))


def _surest_first(confidences: np.ndarray, decision: Decision) -> list[list[int]]:
    """The columns of the labels that each text gets from a multilabel model, surest first."""
    given = decision.matrix(confidences)
    order = np.argsort(-confidences, axis=1, kind="stable").tolist()
    return [[column for column in columns if given[row, column]] for row, columns in enumerate(order)]
