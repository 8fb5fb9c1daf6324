import os
from pathlib import Path

import pytest

from fewfit import cores


def _machine(folder: Path, monkeypatch: pytest.MonkeyPatch, membership: str, files: dict[str, str]) -> None:
    """A machine of 64 cores with these control groups."""
    for name, content in files.items():
        (folder / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "groups" / name).write_text(content)
    (folder / "membership").write_text(membership)
    monkeypatch.setattr(cores, "_GROUPS", folder / "groups")
    monkeypatch.setattr(cores, "_MEMBERSHIP", folder / "membership")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))


@pytest.mark.parametrize(
    ("membership", "files", "n_cores"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),  # a container
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {}, 64),
        # A systemd service whose slice has a quota.
        ("0::/a.slice/b.service\n", {"a.slice/cpu.max": "400000 100000", "a.slice/b.service/cpu.max": "max 100000"}, 4),
        ("0::/a.slice/b\n", {"a.slice/cpu.max": "400000 100000", "a.slice/b/cpu.max": "30000 10000"}, 3),
        # Version 1, where a container's path is the host's.
        ("5:memory:/docker/1f\n3:cpu,cpuacct:/docker/1f\n0::/\n",
         {"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ("1:cpu:/x\n", {"cpu/x/cpu.cfs_quota_us": "-1\n", "cpu/x/cpu.cfs_period_us": "100000\n"}, 64),
        ("0::/\n", {"cpu.max": "what is this\n"}, 64),
    ],
)  # fmt: skip
def test_a_quota_bounds_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, files: dict[str, str], n_cores: int
) -> None:
    _machine(tmp_path, monkeypatch, membership, files)
    assert cores.available_cores() == n_cores


def test_where_there_are_no_control_groups_the_cores_are_those_that_may_be_run_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "_MEMBERSHIP", tmp_path / "none")
    if hasattr(os, "sched_getaffinity"):
        assert cores.available_cores() == len(os.sched_getaffinity(0))
        monkeypatch.delattr(os, "sched_getaffinity")
    assert cores.available_cores() == os.cpu_count()
