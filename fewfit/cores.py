"""How many cores this process may compute with."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Cores that this process may use: those it may run on, and no more than its control group's quota pays for.

    A container or a systemd service with a quota (`docker run --cpus 2`, `CPUQuota=200%`) may run on every core of
    the machine, and is stopped for a while whenever it has used up its share: more threads make it slower.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cores, *(math.ceil(quota) for quota in _quotas())]))


def _quotas() -> Iterator[float]:
    """The quotas in cores of the process's control groups and of those that they are in.

    https://docs.kernel.org/admin-guide/cgroup-v2.html ("cpu.max"), and for version 1
    https://docs.kernel.org/scheduler/sched-bwc.html ("cpu.cfs_quota_us").
    """
    try:
        lines = _MEMBERSHIP.read_text().splitlines()
    except OSError:  # not Linux
        return
    names: tuple[str, ...]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, names = _GROUPS, ("cpu.max",)
        elif "cpu" in controllers.split(","):
            root, names = _GROUPS / "cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        else:
            continue
        own = root / path.lstrip("/")
        # In a container the path is often the host's, and the container's own group lies at the root.
        for folder in (own, *own.parents):
            if folder.is_relative_to(root):
                yield from _quota(folder, names)


def _quota(folder: Path, names: tuple[str, ...]) -> Iterator[float]:
    try:
        quota, period = " ".join((folder / name).read_text() for name in names).split()
        if quota not in ("max", "-1"):
            yield int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return
