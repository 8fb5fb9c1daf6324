"""Progress of a training job, as it happens."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fewfit.errors import Cancelled


@dataclass(frozen=True)
class Event:
    """One thing that happened during training.

    `stage` is a phrase for people ("Reading 72 texts", "Tuning"). `step` counts work units of the whole
    job, from 0 to `total_steps`; `elapsed_s` and `remaining_s` are seconds (`remaining_s` is None until
    there is something to judge by). `loss` and `metrics` are set where the stage has them.
    """

    stage: str
    step: int
    total_steps: int
    elapsed_s: float
    remaining_s: float | None = None
    loss: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)


EventSink = Callable[[Event], None]


class Progress:
    """Counts the work of one job, tells the sink, and stops the job when it is cancelled.

    Work units are weighted by their expected cost, so that `remaining_s` means something although
    reading a text with the trunk and a tuning step take different times.
    """

    def __init__(self, sink: EventSink | None = None, cancel: threading.Event | None = None) -> None:
        self._sink = sink
        self._cancel = cancel
        self._started_s = time.monotonic()
        self._done = 0.0
        self._total = 0.0
        self._step = 0
        self._total_steps = 0

    def plan(self, steps: int, cost_per_step: float) -> None:
        """Announces work that is to come; call it for all stages before the first `advance`."""
        self._total += steps * cost_per_step
        self._total_steps += steps

    def advance(
        self,
        stage: str,
        *,
        steps: int = 1,
        cost_per_step: float = 1.0,
        loss: float | None = None,
        metrics: dict[str, float] | None = None,
    ) -> None:
        """Reports `steps` finished units of `stage`. Raises Cancelled where the job was cancelled."""
        self._done += steps * cost_per_step
        self._step += steps
        self.report(stage, loss=loss, metrics=metrics)

    def report(self, stage: str, *, loss: float | None = None, metrics: dict[str, float] | None = None) -> None:
        """Reports a stage without finishing work. Raises Cancelled where the job was cancelled."""
        self.raise_if_cancelled()
        if self._sink is None:
            return
        elapsed_s = time.monotonic() - self._started_s
        remaining_s = None
        if self._done > 0:
            remaining_s = max(0.0, elapsed_s * (self._total - self._done) / self._done)
        total = max(self._total_steps, self._step)
        self._sink(Event(stage, self._step, total, elapsed_s, remaining_s, loss, metrics or {}))

    def raise_if_cancelled(self) -> None:
        """Raises Cancelled where the job was cancelled."""
        if self._cancel is not None and self._cancel.is_set():
            raise Cancelled
