"""The Hugging Face Hub and its cache, through the huggingface_hub library."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from fewfit.encoders.bases import Base
from fewfit.encoders.packages import FetchProgress, OnProgress
from fewfit.errors import BaseNotFoundError

_PROBE_TIMEOUT_S = 4.0

# Weights as safetensors and what describes them; no pickles, no code, no exports for other runtimes.
_WANTED = ("*.json", "*.safetensors", "vocab.txt", "merges.txt", "*.model")
_UNWANTED = ("onnx/*", "openvino/*", "*.bin", "*.py", "*.onnx")


def cached(repo: str, revision: str | None) -> Path | None:
    """The folder of a repository in the Hugging Face cache, or None. Never uses the network."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(repo, "config.json", revision=revision)
    return Path(config).parent if isinstance(config, str) else None


def download(base: Base, on_progress: OnProgress | None = None) -> Path:
    """Fetch the files of a known base at its pinned revision; the folder they are in.

    Raises BaseNotFoundError when the Hub cannot be reached or does not have them.
    """
    from huggingface_hub import hf_hub_download

    assert base.hub_id is not None
    folder = None
    with _talking_to_hub(base.hub_id):
        for name in base.files:
            if on_progress:
                total = base.size_mb * 1_000_000
                on_progress(FetchProgress(base.name, f"Downloading {name} from {base.hub_id}", 0, total))
            path = Path(hf_hub_download(base.hub_id, name, revision=base.revision))
            folder = folder or path.parents[len(Path(name).parts) - 1]
    assert folder is not None
    return folder


def download_any(repo: str, revision: str | None, on_progress: OnProgress | None = None) -> Path:
    """Fetch a repository's safetensors and configuration; the folder they are in."""
    from huggingface_hub import snapshot_download

    if on_progress:
        on_progress(FetchProgress(repo, f"Downloading {repo}"))
    with _talking_to_hub(repo):
        folder = snapshot_download(
            repo, revision=revision, allow_patterns=list(_WANTED), ignore_patterns=list(_UNWANTED)
        )
    return Path(folder)


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
    request = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310 - the library's own setting
    try:
        with urllib.request.urlopen(request, timeout=_PROBE_TIMEOUT_S):  # noqa: S310
            return
    except urllib.error.HTTPError:
        return  # it answered
    except (OSError, HTTPException) as error:
        if isinstance(getattr(error, "reason", None), ssl.SSLError):
            return  # it answered; the library may know certificates that Python does not
        raise BaseNotFoundError(f"it cannot be reached ({getattr(error, 'reason', error)}).") from error
