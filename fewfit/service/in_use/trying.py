"""Trying a model out: its answer beside the untuned base's, and the training examples that are nearest."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from typing import Final

import numpy as np

from fewfit.data import Dataset, Example, Kind, text_key
from fewfit.decision import Decision
from fewfit.errors import FewfitError, InputError
from fewfit.service.errors import NotReadyError
from fewfit.service.in_use.loading import LoadedModel, ModelLoader
from fewfit.service.in_use.registry import Registry
from fewfit.service.models.answers import ANSWERS_FILE, Answers
from fewfit.service.models.bases import Bases
from fewfit.service.models.model_rows import answers_owner, find_model, numbered, versions_of
from fewfit.service.models.models import Models, ReadyVersion
from fewfit.service.names import check_unicode
from fewfit.service.records import Caller
from fewfit.service.records_in_use import Neighbour, Trial, TriedText
from fewfit.service.store.database import Database
from fewfit.service.store.files import FileStore
from fewfit.service.store.parts import read_part, shortened
from fewfit.service.store.references import files_of
from fewfit.settings import Settings

logger = logging.getLogger(__name__)

# Training texts that are compared with; from larger sets a sample with all labels in it. 2,000 take about 6 MB.
MOST_EXAMPLES: Final = 2000
_MODELS_IN_MEMORY = 8
# So few at once, that requests of others are answered in between.
_CHUNK = 32


@dataclass
class _Examples:
    """The training examples of a version with their embeddings, of length 1, (n_examples, hidden)."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    examples: tuple[Example, ...] = ()
    embeddings: np.ndarray | None = None


class Trying:
    """Answers for people who look at them. They count neither as usage nor for review."""

    def __init__(
        self,
        database: Database,
        files: FileStore,
        models: Models,
        registry: Registry,
        loader: ModelLoader,
        bases: Bases,
        settings: Settings,
    ) -> None:
        self._database = database
        self._files = files
        self._models = models
        self._registry = registry
        self._loader = loader
        self._bases = bases
        self._max_inputs = settings.max_inputs
        self._examples: OrderedDict[tuple[str, int], _Examples] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, caller: Caller, model_id: str, texts: Sequence[str], *, version: int | None = None) -> Trial:
        """A version's answers (scope classify), by default of the one that answers, beside the untuned base's."""
        caller.require("classify")
        self._check(texts)
        ready = self._version(caller, model_id, version)
        model = self._registry.get(ready)
        decision = model.decision
        confidences = decision.probabilities(model.embed(texts, "END"))
        given = decision.matrix(confidences)
        before, warnings = self._before(ready, model, texts)
        tried = []
        for row, text in enumerate(texts):
            answer = TriedText(
                text=text,
                labels=_given(given[row], confidences[row], decision),
                confidences=_named(confidences[row], decision),
            )
            if before is not None and model.frozen is not None:
                named = _named(before[row], model.frozen)
                names = _given(model.frozen.matrix(before[row : row + 1])[0], before[row], model.frozen)
                answer = replace(answer, base_labels=names, base_confidences=named)
            tried.append(answer)
        thresholds = {} if decision.thresholds is None else _named(decision.thresholds, decision)
        return Trial(ready.model_id, ready.number, decision.kind, tuple(tried), thresholds, warnings)

    def _before(
        self, ready: ReadyVersion, model: LoadedModel, texts: Sequence[str]
    ) -> tuple[np.ndarray | None, tuple[str, ...]]:
        """Confidences by the untuned base, (n_texts, n_labels), or why there are none."""
        if model.frozen is None:
            return None, ()
        try:
            embeddings = self._loader.embed(ready.base, texts, "END", windows=model.windows)
            return model.frozen.probabilities(embeddings), ()
        except FewfitError as error:
            logger.warning("The untuned base %s cannot be asked: %s", ready.base, error)
            return None, (f"The untuned base's answers cannot be shown: {error}",)

    def neighbours(
        self, caller: Caller, model_id: str, texts: Sequence[str], *, version: int | None = None, count: int = 3
    ) -> tuple[tuple[Neighbour, ...], ...]:
        """The training examples nearest to each text, as the version sees them (scopes classify and read).

        The first call for a version reads its training texts, which takes seconds. Empty where they are not kept.
        """
        caller.require("classify")
        caller.require("read")
        self._check(texts)
        ready = self._version(caller, model_id, version)
        model = self._registry.get(ready)
        known = self._known(ready, model)
        if known.embeddings is None or not len(known.examples):
            return tuple(() for _ in texts)
        similarities = _unit(model.embed(texts, "END")) @ known.embeddings.T
        nearest = np.argsort(-similarities, axis=1, kind="stable")[:, : max(0, count)]
        return tuple(
            tuple(
                Neighbour(
                    shortened(known.examples[place].text), known.examples[place].labels, float(similarities[row, place])
                )
                for place in places
            )
            for row, places in enumerate(nearest.tolist())
        )

    def forget(self, model_id: str) -> None:
        """Lets go of a deleted model."""
        with self._lock:
            for key in [key for key in self._examples if key[0] == model_id]:
                del self._examples[key]

    def _check(self, texts: Sequence[str]) -> None:
        if not texts:
            raise InputError(f"There is no text; expected 1 to {self._max_inputs}.")
        if len(texts) > self._max_inputs:
            raise InputError(f"At most {self._max_inputs} texts are tried at once, received {len(texts):,}.")
        for place, text in enumerate(texts, start=1):
            if not text.strip():
                raise InputError(f"Text {place} is empty; expected at least one character.")
            check_unicode(text, f"Text {place}")

    def _version(self, caller: Caller, model_id: str, number: int | None) -> ReadyVersion:
        if number is None:
            return self._models.ready_version(caller.organization_id, model_id)
        with self._database.reading() as session:
            row = find_model(session, caller.organization_id, model_id)
            found = numbered(versions_of(session, row.id), number)
        if found.status != "ready":
            raise NotReadyError(f"Version {number} is {found.status}; only a ready one can be tried.")
        return ReadyVersion(row.id, number, row.base, row.organization_id)

    def _known(self, ready: ReadyVersion, model: LoadedModel) -> _Examples:
        key = (ready.model_id, ready.number)
        with self._lock:
            known = self._examples.setdefault(key, _Examples())
            self._examples.move_to_end(key)
            while len(self._examples) > _MODELS_IN_MEMORY:
                self._examples.popitem(last=False)
        with known.lock:
            if known.embeddings is None:
                examples = _sample(self._trained_on(ready, model.decision.kind), MOST_EXAMPLES)
                known.examples = examples
                known.embeddings = self._embed(model, [example.text for example in examples])
        return known

    def _embed(self, model: LoadedModel, texts: Sequence[str]) -> np.ndarray:
        parts = [_unit(model.embed(texts[start : start + _CHUNK], "END")) for start in range(0, len(texts), _CHUNK)]
        return np.concatenate(parts) if parts else np.zeros((0, 1), dtype=np.float32)

    def _trained_on(self, ready: ReadyVersion, kind: Kind) -> Sequence[Example]:
        """The texts that a version was trained on: its training part without what was held out of it."""
        with self._database.reading() as session:
            row = find_model(session, ready.organization_id, ready.model_id)
            files = files_of(session, answers_owner(row, ready.number))
        if "train" not in files:
            return ()
        with self._files.open(files["train"].sha256) as stream:
            train: Dataset = read_part(stream, kind)
        held_out: set[str] = set()
        if ANSWERS_FILE in files:
            with self._files.open(files[ANSWERS_FILE].sha256) as stream:
                answers = Answers.read(stream)
            if answers.evaluated_on == "held_out":
                held_out = {text_key(text) for text in answers.texts}
        return [example for example in train.examples if text_key(example.text) not in held_out]


def _sample(examples: Sequence[Example], most: int) -> tuple[Example, ...]:
    """At most so many examples, in turn from each label, so that a rare one is not lost."""
    if len(examples) <= most:
        return tuple(examples)
    by_label: dict[tuple[str, ...], list[Example]] = {}
    for example in examples:
        by_label.setdefault(example.labels[:1], []).append(example)
    in_turn = zip_longest(*by_label.values())
    return tuple(islice((example for group in in_turn for example in group if example is not None), most))


def _given(row: np.ndarray, confidences: np.ndarray, decision: Decision) -> tuple[str, ...]:
    order = np.argsort(-confidences, kind="stable").tolist()
    return tuple(decision.labels[column] for column in order if row[column])


def _named(row: np.ndarray, decision: Decision) -> dict[str, float]:
    return {label: float(value) for label, value in zip(decision.labels, row, strict=True)}


def _unit(embeddings: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(lengths, 1e-12), dtype=np.float32)
