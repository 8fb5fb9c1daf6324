"""Answers texts for many models at once, as fast as the machine's cores allow."""

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

import numpy as np
from numpy.typing import NDArray

from fewfit.artifact import Artifact
from fewfit.cores import available_cores
from fewfit.encoders.tokenizing import Truncate
from fewfit.encoders.windows import Windows
from fewfit.errors import InputError, QueueFullError
from fewfit.fast_tier import fast_answers
from fewfit.serving.answers import Answers
from fewfit.serving.exact_cache import ExactCache
from fewfit.serving.replies import LoopReply, Mailboxes, Reply, ThreadReply
from fewfit.serving.requests import Item, Request, Speed
from fewfit.serving.served import DEFAULT_OWN_TAILS, ModelLoader, ServedModel
from fewfit.serving.shelf import Shelf
from fewfit.serving.statistics import Counters, EngineStatistics
from fewfit.serving.waiting import WaitingTexts

logger = logging.getLogger(__name__)

# Small batches stay in a core's own cache: on two AVX-512 cores 192 to 256 tokens were fastest, 2,048 a
# quarter slower (MiniLM, int8).
DEFAULT_BATCH_TOKENS = 256
DEFAULT_QUEUE_LIMIT_TEXTS = 10_000
_TRUNCATES, _SPEEDS = get_args(Truncate), get_args(Speed)
_GPU_BATCH_TOKENS = 16_384
_GPU_WORKERS = 2  # one prepares a batch while the other's is computed
_INLINE_CHARACTERS = 20_000  # tokenizing more than this is not done on an event loop's thread


@dataclass(frozen=True)
class EngineSettings:
    """How an engine works.

    `workers` is how many threads compute (None: one a core, two for a GPU). `batch_tokens` is the padded
    size of a batch (None: 256, on a GPU 16,384). `device` is where torch computes ("cuda", "cpu"; None:
    onnxruntime, on the CPU). `own_tails` is how many low-rank models have a tail of their own, which is fastest;
    further ones share their base's. `queue_limit_texts` is how many texts may wait before more are refused.
    `model_limit_bytes` bounds the tails in memory (None: no bound), `cache_limit_bytes` the recent answers
    that are kept.
    """

    workers: int | None = None
    batch_tokens: int | None = None
    own_tails: int = DEFAULT_OWN_TAILS
    queue_limit_texts: int = DEFAULT_QUEUE_LIMIT_TEXTS
    model_limit_bytes: int | None = None
    cache_limit_bytes: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        for name in ("workers", "batch_tokens", "queue_limit_texts"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value!r}; expected a whole number from 1 on.")


class Engine:
    """Models by name, ready to answer any number of callers from any thread.

    >>> with Engine() as engine:  # doctest: +SKIP
    ...     engine.load("tickets", "model/")
    ...     engine.answer("tickets", ["my card was charged twice"]).confidences
    array([[0.97, 0.03]])

    Texts of all callers, and of all models that stand on one base, share batches. An idle engine starts
    on a text at once; the more texts wait, the fuller the batches. What a text gets does not depend on
    what else is in its batch.
    """

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self.settings = settings or EngineSettings()
        device = self.settings.device
        self.models = Shelf(self.settings.model_limit_bytes, ModelLoader(device, self.settings.own_tails))
        self._cache = ExactCache(self.settings.cache_limit_bytes)
        self._counters = Counters()
        self._waiting = WaitingTexts()
        lock = threading.Lock()
        self._ready = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._closed = False
        self._busy = 0
        self._mailboxes = Mailboxes()
        on_gpu = device is not None and not device.startswith("cpu")
        self._n_workers = self.settings.workers or (_GPU_WORKERS if on_gpu else available_cores())
        self._batch_tokens = self.settings.batch_tokens or (_GPU_BATCH_TOKENS if on_gpu else DEFAULT_BATCH_TOKENS)
        self._workers = [
            threading.Thread(target=self._work, name=f"fewfit-engine-{number}", daemon=True)
            for number in range(self._n_workers)
        ]
        for worker in self._workers:
            worker.start()

    # Models -------------------------------------------------------------------------------------

    def load(self, name: str, source: str | Path | Artifact, *, pinned: bool = False) -> ServedModel:
        """Loads a model under a name. A model of that name is replaced at once, when the new one is ready."""
        return self.models.put(name, source if isinstance(source, Artifact) else Path(source), pinned=pinned)

    # Asking -------------------------------------------------------------------------------------

    def answer(
        self,
        model: str | ServedModel,
        texts: Sequence[str],
        *,
        truncate: Truncate = "end",
        organisation: str | None = None,
        speed: Speed = "full",
        wait: bool = False,
    ) -> Answers:
        """What a model says of the texts, in their order. Any number of texts: long lists are fed bit by bit.

        `truncate` says which end of a text that is too long is not read; with "none" such a text fails.
        With speed="fast", the model's fast tier answers what it is sure of; a model that has none answers
        everything itself.
        Where others already fill the queue, `wait` says that these texts wait for their turn; else QueueFullError is
        raised. Raises ModelNotLoadedError for an unknown name.
        """
        served = self._served(model)
        step = max(1, self.settings.queue_limit_texts // (4 * served.windows))
        submit = partial(self.submit, served, truncate=truncate, organisation=organisation, speed=speed, wait=wait)
        if isinstance(texts, str) or len(texts) <= step:
            return submit(texts).result()
        parts: list[Answers] = []
        started = submit(texts[:step])
        for start in range(step, len(texts), step):
            following = submit(texts[start : start + step])
            parts.append(started.result())
            started = following
        parts.append(started.result())
        return _joined(parts, step)

    async def answer_async(
        self,
        model: str | ServedModel,
        texts: Sequence[str],
        *,
        truncate: Truncate = "end",
        organisation: str | None = None,
        speed: Speed = "full",
    ) -> Answers:
        """Like `answer`, for coroutines. A task that is cancelled drops its texts from the queue."""
        reply = LoopReply(self._mailboxes)
        heavy = not isinstance(model, ServedModel) and not self.models.is_loaded(model)
        if heavy or sum(len(text) for text in texts if isinstance(text, str)) > _INLINE_CHARACTERS:
            try:
                await asyncio.to_thread(self._ask, reply, model, texts, truncate, organisation, speed)
            except asyncio.CancelledError:
                reply.future.cancel()  # the thread goes on to put them into the queue, where they are dropped
                raise
        else:
            self._ask(reply, model, texts, truncate, organisation, speed)
        return await reply.future

    def submit(
        self,
        model: str | ServedModel,
        texts: Sequence[str],
        *,
        truncate: Truncate = "end",
        organisation: str | None = None,
        speed: Speed = "full",
        wait: bool = False,
    ) -> Future[Answers]:
        """Puts texts into the queue; the future holds their answers. Cancelling it drops them.

        `organisation` keeps cached answers apart. Where too many texts wait, QueueFullError is raised, or with `wait`
        the caller waits until there is room.
        """
        reply = ThreadReply()
        self._ask(reply, model, texts, truncate, organisation, speed, wait=wait)
        return reply.future

    def _ask(
        self,
        reply: Reply,
        model: str | ServedModel,
        texts: Sequence[str],
        truncate: Truncate,
        organisation: str | None,
        speed: Speed,
        *,
        wait: bool = False,
    ) -> None:
        if isinstance(texts, str | bytes):
            raise InputError("Got one string; expected a list of texts. For one text, give a list with one string.")
        if truncate not in _TRUNCATES or speed not in _SPEEDS:
            raise InputError(
                f"truncate is {truncate!r} and speed is {speed!r}; expected one of {', '.join(_TRUNCATES)} and one of "
                f"{', '.join(_SPEEDS)}."
            )
        served = self._served(model)
        windows, errors = served.encode(texts, truncate)
        request = Request(served, windows, dict(errors), reply)
        sure = _sure_answers(served, windows) if speed == "fast" else {}
        items = []
        for window, (position, tokens) in enumerate(zip(windows.owners, windows.ids, strict=True)):
            if position in errors or position in sure:
                continue
            known = self._cache.get(organisation, served, tokens)
            if known is None:
                items.append(Item(request, window, tokens, organisation))
            else:
                request.answer(window, known)
        self._enqueue(items, wait=wait)
        request.answer_fast(sure)
        self._counters.accepted(len(texts), len(errors), len(sure))

    # Looking and ending -------------------------------------------------------------------------

    def statistics(self) -> EngineStatistics:
        """How the engine has been doing since it started."""
        with self._ready:
            waiting_texts, waiting_tokens, busy = self._waiting.n_texts, self._waiting.n_tokens, self._busy
        return self._counters.statistics(
            workers=self._n_workers,
            busy_workers=busy,
            waiting_texts=waiting_texts,
            waiting_tokens=waiting_tokens,
            cache_hits=self._cache.hits,
            cache_bytes=self._cache.size_bytes,
            models=len(self.models.names()),
            models_in_memory=len(loaded := self.models.loaded()),
            model_bytes=sum(loaded.values()),
            evictions=self.models.evictions,
        )

    def close(self) -> None:
        """Answers what waits, then ends. Texts that come later are refused."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
            self._room.notify_all()
        for worker in self._workers:
            worker.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Inside -------------------------------------------------------------------------------------

    def _served(self, model: str | ServedModel) -> ServedModel:
        return model if isinstance(model, ServedModel) else self.models.get(model)

    def _enqueue(self, items: list[Item], *, wait: bool) -> None:
        if not items:
            return
        limit = self.settings.queue_limit_texts
        with self._ready:
            while wait and not self._closed and 0 < self._waiting.n_texts > limit - len(items):
                self._room.wait()
            if self._closed:
                raise QueueFullError("The engine is closing and takes no more texts.")
            if not wait and self._waiting.n_texts + len(items) > limit:
                self._counters.refused(items[0].request.n_texts(items))
                raise QueueFullError(
                    f"{self._waiting.n_texts:,} texts are waiting and {len(items):,} more would make it more than "
                    f"{limit:,}. Try again shortly, with fewer texts at once, or raise queue_limit_texts."
                )
            self._waiting.add(items)
            self._ready.notify(min(len(items), self._n_workers))

    def _work(self) -> None:
        while True:
            with self._ready:
                while not self._waiting.n_texts and not self._closed:
                    self._ready.wait()
                if not self._waiting.n_texts:
                    return
                # Idle cores get their share: a batch takes no more than its part of what waits.
                idle = self._n_workers - self._busy
                share = -(-self._waiting.n_tokens // idle)
                batch = self._waiting.take(min(self._batch_tokens, share))
                self._room.notify_all()
                self._busy += 1
            try:
                if batch:
                    self._process(batch)
            finally:
                with self._ready:
                    self._busy -= 1

    def _process(self, batch: list[Item]) -> None:
        started_s = time.perf_counter()
        try:
            embeddings = self._embeddings(batch)
            confidences = _confidences(batch, embeddings)
        except Exception as error:  # noqa: BLE001 - whatever one text does must not reach the others
            self._one_by_one(batch, error)
            return
        for item, embedding, own in zip(batch, embeddings, confidences, strict=True):
            self._cache.put(item.organisation, item.request.model, item.ids, embedding)
            item.request.answer(item.window, embedding, own)
        longest = max(item.length for item in batch)
        n_tokens = sum(item.length for item in batch)
        self._counters.batch(len(batch), n_tokens, longest * len(batch), time.perf_counter() - started_s)

    def _one_by_one(self, batch: list[Item], error: Exception) -> None:
        """After a batch failed: each text alone, so that only the one that is at fault fails."""
        if len(batch) > 1:
            for item in batch:
                self._process([item])
            return
        (item,) = batch
        logger.error("A text of %d tokens could not be answered", item.length, exc_info=error)
        item.request.fail(item.window, error, on_first=self._counters.failed)

    def _embeddings(self, batch: list[Item]) -> NDArray[np.float32]:
        """Embeddings (n_texts, embedding): one trunk for all, then each model's tail."""
        first = batch[0].request.model
        ids, mask = first.tokenizer.pad([item.ids for item in batch])
        hidden = self._hidden(batch, ids, mask)
        # Low-rank tails of one base are asked together, others one after another.
        together: dict[object, list[int]] = {}
        for row, item in enumerate(batch):
            tail = item.request.model.tail
            together.setdefault(tail.shared or tail, []).append(row)
        if len(together) == 1:
            return _tails_of(batch, hidden, mask)
        embeddings = np.empty((len(batch), first.embedding_size), dtype=np.float32)
        for rows in together.values():
            longest = max(batch[row].length for row in rows)
            embeddings[rows] = _tails_of([batch[row] for row in rows], hidden[rows, :longest], mask[rows, :longest])
        return embeddings

    def _hidden(self, batch: list[Item], ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Any:
        """The trunk's output (n_texts, longest, hidden), from the cache where all of it is there."""
        trunk = batch[0].request.model.trunk
        if not self.settings.cache_limit_bytes or not trunk.on_host:
            return trunk.run(ids, mask)
        kept = [self._cache.get(item.organisation, trunk, item.ids) for item in batch]
        missing = [row for row, array in enumerate(kept) if array is None]
        computed = trunk.run(ids[missing], mask[missing]) if missing else np.empty((0, 0, 0), dtype=np.float32)
        if len(missing) == len(batch):
            hidden = computed
        else:
            width = next(array.shape[1] for array in kept if array is not None)
            hidden = np.zeros((*ids.shape, width), dtype=np.float32)
            hidden[missing] = computed if missing else hidden[missing]
            for row, array in enumerate(kept):
                if array is not None:
                    hidden[row, : len(array)] = array
        for row in missing:
            item = batch[row]
            self._cache.put(item.organisation, trunk, item.ids, hidden[row, : item.length])
        return hidden


def _tails_of(items: Sequence[Item], hidden: Any, mask: NDArray[np.int64]) -> NDArray[np.float32]:
    """Embeddings of texts whose models have one tail, or low-rank changes of one."""
    tail = items[0].request.model.tail
    if tail.shared is None:
        return tail.run(hidden, mask)
    return tail.shared.run_for([item.request.model.tail for item in items], hidden, mask)


def _confidences(batch: Sequence[Item], embeddings: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """The confidences (n_labels,) of each text, computed for all texts of a model at once."""
    by_model: dict[ServedModel, list[int]] = {}
    for row, item in enumerate(batch):
        by_model.setdefault(item.request.model, []).append(row)
    found: dict[int, NDArray[np.float64]] = {}
    for model, rows in by_model.items():
        own = embeddings if len(rows) == len(batch) else embeddings[rows]
        found.update(zip(rows, model.decision.probabilities(own), strict=True))
    return [found[row] for row in range(len(batch))]


def _joined(parts: Sequence[Answers], step: int) -> Answers:
    errors = {number * step + row: error for number, part in enumerate(parts) for row, error in part.errors.items()}
    fast = {number * step + row: found for number, part in enumerate(parts) for row, found in part.fast.items()}
    return Answers(parts[0].decision, np.concatenate([part.embeddings for part in parts]), errors, fast)


def _sure_answers(served: ServedModel, windows: Windows) -> dict[int, NDArray[np.float64]]:
    """The fast tier's confidences of the texts that it is sure of, by position."""
    ids = windows.tokens
    rows = [row for row, tokens in enumerate(ids) if tokens]
    # A model that rejects has to look at the text itself: the fast tier has no embedding to judge by.
    if served.fast is None or not rows or served.decision.rejection is not None:
        return {}
    sure, confidences = fast_answers(served.fast, served.decision, [ids[row] for row in rows])
    return {rows[number]: confidences[number] for number in np.flatnonzero(sure)}
