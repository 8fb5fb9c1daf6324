"""The Hugging Face Hub and its cache, through the huggingface_hub library."""

import queue
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from http.client import HTTPException
from pathlib import Path
from typing import Any

from fewfit.encoders.bases import Base
from fewfit.encoders.cache import sha256_of
from fewfit.encoders.packages import FetchProgress, OnProgress
from fewfit.errors import BaseNotFoundError

_PROBE_TIMEOUT_S = 4.0

# Weights as safetensors and what describes them; no pickles, no code, no exports for other runtimes.
_WANTED = ("*.json", "model*.safetensors", "vocab.txt", "merges.txt", "*.model")
_WANTED_IN_FOLDERS = ("[0-9]*_*/config.json", "[0-9]*_*/model.safetensors")


def cached(repo: str, revision: str | None) -> Path | None:
    """The folder of a repository in the Hugging Face cache, or None. Never uses the network."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(repo, "config.json", revision=revision)
    return Path(config).parent if isinstance(config, str) else None


def cached_snapshots(base: Base) -> list[Path]:
    """Every revision of a known base's repository in the Hugging Face cache, the pinned one first.

    The files are pinned by their digests, so one that another program fetched at another revision
    is as good. Never uses the network.
    """
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    assert base.hub_id is not None
    name = repo_folder_name(repo_id=base.hub_id, repo_type="model")
    snapshots = (Path(constants.HF_HUB_CACHE) / name / "snapshots").glob("*")
    return sorted(snapshots, key=lambda folder: (folder.name != base.revision, folder.name))


def download(base: Base, on_progress: OnProgress | None = None) -> Path:
    """Fetch the files of a known base at its pinned revision; the folder that they are in.

    Raises BaseNotFoundError when the Hub cannot be reached or does not have them.
    """
    assert base.hub_id is not None
    bar = _bar(on_progress, base.name, base.size_mb * 1_000_000)
    with _talking_to_hub(base.hub_id):
        return _download(base.hub_id, base.revision, base.files, base.files, bar)


def download_any(repo: str, revision: str | None, on_progress: OnProgress | None = None) -> Path:
    """Fetch a repository's safetensors and what describes them; the folder that they are in.

    Raises BaseNotFoundError when the Hub cannot be reached or does not have the repository.
    """
    from huggingface_hub import HfApi

    with _talking_to_hub(repo):
        info = HfApi().model_info(repo, revision=revision, files_metadata=True)
        sizes = {file.rfilename: file.size or 0 for file in info.siblings or () if _wanted(file.rfilename)}
        if "config.json" not in sizes:
            raise BaseNotFoundError(f"{repo} has no config.json, so it is no encoder.")
        return _download(repo, revision, sizes, {}, _bar(on_progress, repo, sum(sizes.values())))


def _wanted(name: str) -> bool:
    patterns = _WANTED_IN_FOLDERS if "/" in name else _WANTED
    return any(fnmatch(name, pattern) for pattern in patterns)


def _download(
    repo: str, revision: str | None, names: Iterable[str], digests: Mapping[str, str], bar: type[Any] | None
) -> Path:
    """Fetch `names` into the Hugging Face cache; those in `digests` again if what is there is damaged."""
    from huggingface_hub import hf_hub_download

    folder = None
    for name in names:
        path = Path(hf_hub_download(repo, name, revision=revision, tqdm_class=bar))
        if name in digests and sha256_of(path) != digests[name]:
            # The library keeps what it has once had, damaged or not.
            path = Path(hf_hub_download(repo, name, revision=revision, tqdm_class=bar, force_download=True))
        if name == "config.json":
            folder = path.parent
    assert folder is not None
    return folder


def _bar(on_progress: OnProgress | None, base: str, bytes_in_all: int) -> type[Any] | None:
    """A progress bar for huggingface_hub that shows nothing and tells `on_progress` instead."""
    if on_progress is None:
        return None
    from huggingface_hub import utils

    parent: Any = utils.tqdm  # type: ignore[attr-defined]
    tell = on_progress
    done_bytes = 0

    class Bar(parent):  # type: ignore[misc]
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **(options | {"disable": True}))

        def update(self, n: float | None = 1) -> None:
            nonlocal done_bytes
            done_bytes += int(n or 0)
            message = "Downloading from the Hugging Face Hub"
            tell(FetchProgress(base, message, min(done_bytes, bytes_in_all), bytes_in_all))

    return Bar


@contextmanager
def _talking_to_hub(repo: str) -> Iterator[None]:
    """Turns what may go wrong into BaseNotFoundError, and fails at once where there is no network
    (the library itself tries six times, for 23 seconds).
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    if constants.HF_HUB_OFFLINE:
        raise BaseNotFoundError("HF_HUB_OFFLINE is set, so it was not asked.")
    _check_reachable(constants.ENDPOINT)
    # The HTTP library changed between releases of huggingface_hub (httpx, httpx2): its own error class
    # inherits from whichever it is.
    http_errors = tuple(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception))
    failures: tuple[type[Exception], ...] = (*http_errors, HFValidationError, OSError)
    try:
        yield
    except failures as error:
        first = str(error).strip().splitlines()
        raise BaseNotFoundError(f"{repo}: {first[0] if first else type(error).__name__}") from error


def _check_reachable(endpoint: str) -> None:
    """Raises BaseNotFoundError unless a server answers at `endpoint` within seconds."""
    outcome: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    # A thread, because looking up a name has no timeout of its own.
    threading.Thread(target=lambda: outcome.put(_why_unreachable(endpoint)), daemon=True).start()
    try:
        why = outcome.get(timeout=2 * _PROBE_TIMEOUT_S)
    except queue.Empty:
        why = "no answer"
    if why:
        raise BaseNotFoundError(f"it cannot be reached ({why}).")


def _why_unreachable(endpoint: str) -> str | None:
    request = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310 - the library's own setting
    try:
        with urllib.request.urlopen(request, timeout=_PROBE_TIMEOUT_S):  # noqa: S310
            return None
    except urllib.error.HTTPError:
        return None  # it answered
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        # On a certificate that Python does not know it answered too: the library may know it.
        return None if isinstance(reason, ssl.SSLError) else str(reason)
