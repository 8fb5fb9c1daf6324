"""Named places where a test may end the process, as a power cut would.

`FEWFIT_FAIL_POINTS="train.saved"` kills the process with SIGKILL when it gets there; `train.saved:2` at the
second time. Without the variable a fail-point costs one dictionary look-up.
"""

import os
import signal
from typing import Final

VARIABLE: Final = "FEWFIT_FAIL_POINTS"

# Every place there is, so that the kill test can walk through all of them.
FAIL_POINTS: Final = (
    "upload.received",
    "upload.registered",
    "upload.stored",
    "dataset.created",
    "job.claimed",
    "validate.read",
    "validate.stored",
    "validate.finishing",
    "validate.finished",
    "model.created",
    "train.started",
    "train.read",
    "train.step",
    "train.fitted",
    "train.saved",
    "train.stored",
    "train.finishing",
    "train.finished",
    "export.queued",
    "export.started",
    "export.written",
    "export.stored",
    "export.finishing",
    "export.finished",
    "distil.queued",
    "distil.started",
    "distil.stored",
    "distil.finished",
    "clean_up.removing",
    "clean_up.removed",
)


def _armed(points: str) -> dict[str, int]:
    armed = {}
    for item in filter(None, points.split(",")):
        name, _, times = item.partition(":")
        if name not in FAIL_POINTS:
            raise ValueError(f"{VARIABLE} names {name!r}; the fail-points are {', '.join(FAIL_POINTS)}.")
        armed[name] = int(times or 1)
    return armed


_left = _armed(os.environ.get(VARIABLE, ""))


def arm(points: str) -> None:
    """Arms fail-points of this process as the environment variable does."""
    _left.update(_armed(points))


def fail_point(name: str) -> None:
    """Ends the process here if the environment says so."""
    assert name in FAIL_POINTS, name
    if not _left or name not in _left:
        return
    _left[name] -= 1
    if _left[name] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
