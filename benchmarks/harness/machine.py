"""What a result was measured on."""

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

FLAGS_THAT_MATTER = (
    "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "bf16", "i8mm",
)  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """A machine: its CPU, the instruction sets that decide its speed, the cores we may use, its memory."""

    cpu: str
    flags: tuple[str, ...]
    cores: int
    memory_gib: float
    system: str


def this_machine() -> Machine:
    """The machine we run on."""
    about = _cpuinfo()
    flags = set((about.get("flags") or about.get("Features") or "").split())
    return Machine(
        cpu=about.get("model name") or platform.processor() or platform.machine(),
        flags=tuple(flag for flag in FLAGS_THAT_MATTER if flag in flags),
        cores=_cores(),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.machine()}",
    )


def load_average() -> float:
    """How many processes wanted a core over the last minute, ours included."""
    return round(os.getloadavg()[0], 2)


def revision(folder: Path) -> str:
    """The git commit of `folder`, with `+` where tracked files differ from it; empty outside git."""
    try:
        commit = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first = path.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
