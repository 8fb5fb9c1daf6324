"""Finds the weights of a base: a folder, the cache, the Hugging Face Hub, an offline package."""

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fewfit.encoders import hub
from fewfit.encoders.bases import Base, base_for_hub_id, known_bases
from fewfit.encoders.cache import assemble, base_folder, cache_folder, discard, faults, sha256_of
from fewfit.encoders.packages import FetchProgress, OnProgress, write_from_package
from fewfit.errors import BaseError, BaseNotFoundError, DigestError, InputError

__all__ = ["FetchProgress", "OnProgress", "Weights", "fetch_base", "locate", "on_this_machine"]

_log = logging.getLogger(__name__)

_HUB_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")

# For a known base these may differ without any embedding being different.
_FOR_OTHER_PROGRAMS = frozenset(
    {"tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "config_sentence_transformers.json"}
)


@dataclass(frozen=True)
class Weights:
    """The weights of an encoder, on this machine and checked.

    `name` is what the base is called (a known name, a Hugging Face id or a folder's name), `digest`
    stands for the content of its files: equal digests give equal embeddings. `source` says in words
    where the files came from.
    """

    name: str
    folder: Path
    digest: str
    source: str
    base: Base | None = None


def locate(
    base: str | Path, *, fetch: bool = True, digest: str | None = None, on_progress: OnProgress | None = None
) -> Weights:
    """The weights of `base`: a known name, a Hugging Face id (`org/name` or `org/name@revision`), or
    a folder in sentence-transformers or transformers format.

    Looked for in this order: the folder, fewfit's cache, the Hugging Face cache, the Hugging Face
    Hub, an offline package. Nothing goes over the network when the weights are on this machine, or
    with `fetch=False`. `multilingual` is content with `multilingual-q4` where only that is here.

    Raises BaseNotFoundError with everything that was tried, DigestError when a file is not the one
    that is pinned or the weights do not have the `digest` that was asked for.
    """
    found = _locate(base, fetch, on_progress)
    if digest is not None and found.digest != digest:
        raise DigestError(
            f"The base {found.name!r} from {found.source} has digest {found.digest[:12]}…, expected "
            f"{digest[:12]}…. These are other weights than the ones asked for."
        )
    return found


def fetch_base(base: str | Path, *, on_progress: OnProgress | None = None) -> Weights:
    """The weights of `base` as `locate` finds them, except that a base which stands in for another
    is no reason not to fetch the other: `multilingual` is fetched although `multilingual-q4` is here.
    """
    known = known_bases().get(str(base))
    return (
        _known(known, True, on_progress, content_with_fallback=False)
        if known
        else locate(base, on_progress=on_progress)
    )


def on_this_machine(base: Base) -> Weights | None:
    """The weights of a known base if they are here and whole; no network, no other base in its place."""
    return _here(base, [])


def _locate(base: str | Path, fetch: bool, on_progress: OnProgress | None) -> Weights:
    if not isinstance(base, str | Path):
        raise InputError(
            f"base is {base!r}, of type {type(base).__name__}; expected a name such as 'english', or a folder."
        )
    name = str(base)
    known = known_bases()
    if isinstance(base, str) and base in known:
        return _known(known[base], fetch, on_progress)
    folder = Path(base).expanduser()
    if folder.is_dir():
        return _from_folder(folder, folder.resolve().name, f"the folder {folder}")
    if isinstance(base, str) and (match := _HUB_ID.fullmatch(base)):
        repo, revision = match["repo"], match["revision"]
        same = base_for_hub_id(repo)
        if same is not None and revision in (None, same.revision):
            return _known(same, fetch, on_progress)
        return _from_hub(repo, revision, fetch, on_progress)
    raise BaseNotFoundError(
        f"There is no base {name!r}: it is no known name ({', '.join(known)}), no folder on this machine, "
        "and no Hugging Face id of the form organisation/name."
    )


def _known(base: Base, fetch: bool, on_progress: OnProgress | None, *, content_with_fallback: bool = True) -> Weights:
    tried: list[str] = []
    if found := _here(base, tried):
        return found
    fallback = known_bases().get(base.fallback or "")
    if fallback and content_with_fallback and (found := _here(fallback, tried)):
        return found
    if not fetch:
        raise _not_found(base.name, tried, f"Fetch it with: fewfit bases fetch {base.name}")
    if base.hub_id:
        try:
            folder = hub.download(base, on_progress)
        except BaseNotFoundError as error:
            tried.append(f"the Hugging Face Hub: {error}")
        else:
            discard(base_folder(base.name))  # if it is there, it is damaged, and was to be looked into first
            return _checked(base, folder, "the Hugging Face Hub")
    if base.package:
        try:
            return _from_package(base, on_progress)
        except BaseNotFoundError as error:
            tried.append(f"the offline package: {error}")
    if fallback:
        try:
            return _known(fallback, fetch, on_progress)
        except BaseNotFoundError as error:
            tried.append(f"{fallback.name} in its place: {error}")
    raise _not_found(
        base.name,
        tried,
        "Connect this machine to a package index or the Hugging Face Hub, or copy the base's folder here "
        "from another machine and give its path instead of the name.",
    )


def _from_package(base: Base, on_progress: OnProgress | None) -> Weights:
    target = base_folder(base.name)

    def tell_waiting() -> None:
        if on_progress:
            on_progress(FetchProgress(base.name, "Waiting for another process that is fetching it"))

    try:
        assemble(target, base.files, lambda folder: write_from_package(base, folder, on_progress), tell_waiting)
    except OSError as error:
        raise BaseError(
            f"The weights of base {base.name!r} cannot be written to {target}: {error}. Make room or rights "
            f"for {base.size_mb} MB there (three times that while it is assembled), or set FEWFIT_CACHE to "
            "another folder."
        ) from error
    return _checked(base, target, "an offline package")


def _here(base: Base, tried: list[str]) -> Weights | None:
    """The weights if they are on this machine; otherwise one line about each place goes to `tried`."""
    places = [(base_folder(base.name), "fewfit's cache")]
    if base.hub_id:
        places += [(folder, "the Hugging Face cache") for folder in hub.cached_snapshots(base)]
    for folder, what in places:
        if not folder.is_dir():
            tried.append(f"{what}: there is no {folder}")
        elif wrong := faults(folder, base.files):
            _log.info("%s is not used: %s", folder, "; ".join(wrong))
            tried.append(f"{what}: {folder} is incomplete or damaged ({'; '.join(wrong)}); delete it")
        else:
            return _weights_of(base, folder, what)
    if base.hub_id and len(places) == 1:
        tried.append(f"the Hugging Face cache: {base.hub_id} is not in it")
    return None


def _checked(base: Base, folder: Path, source: str) -> Weights:
    if wrong := faults(folder, base.files):
        raise DigestError(
            f"The files of base {base.name!r} from {source} are not the pinned ones: {'; '.join(wrong)}. "
            f"They were not read. Delete {folder} and try again; if it stays so, the source has changed."
        )
    return _weights_of(base, folder, source)


def _weights_of(base: Base, folder: Path, source: str) -> Weights:
    return Weights(base.name, folder, _digest_of(base), source, base)


def _digest_of(base: Base) -> str:
    return _digest({name: sha for name, sha in base.files.items() if name not in _FOR_OTHER_PROGRAMS})


def _digest(files: Mapping[str, str]) -> str:
    lines = "".join(f"{sha}  {name}\n" for name, sha in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _from_hub(repo: str, revision: str | None, fetch: bool, on_progress: OnProgress | None) -> Weights:
    tried: list[str] = []
    if snapshot := hub.cached(repo, revision):
        try:
            return _from_folder(snapshot, repo, "the Hugging Face cache")
        except BaseError as error:
            tried.append(f"the Hugging Face cache: {error}")
    else:
        tried.append(f"the Hugging Face cache: {repo} is not in it")
    if not fetch:
        raise _not_found(repo, tried, "Fetch it with: fewfit bases fetch " + repo)
    try:
        snapshot = hub.download_any(repo, revision, on_progress)
    except BaseNotFoundError as error:
        tried.append(f"the Hugging Face Hub: {error}")
        raise _not_found(
            repo,
            tried,
            "Check the id and the network, or copy the model's folder here and give its path instead.",
        ) from error
    return _from_folder(snapshot, repo, "the Hugging Face Hub")


def _from_folder(folder: Path, name: str, source: str) -> Weights:
    files = _files_that_matter(folder)
    for base in known_bases().values():
        pinned = {path: sha for path, sha in base.files.items() if path not in _FOR_OTHER_PROGRAMS}
        if all((folder / path).is_file() and sha256_of(folder / path) == sha for path, sha in pinned.items()):
            return _weights_of(base, folder, source)
    return Weights(name, folder, _digest({path: sha256_of(folder / path) for path in files}), source)


def _files_that_matter(folder: Path) -> list[str]:
    """The files in `folder` that decide what an embedding is, as relative paths."""
    if not (folder / "config.json").is_file():
        raise BaseError(
            f"{folder} is not an encoder: it has no config.json. A base is a folder in sentence-transformers "
            "or transformers format, with config.json, model.safetensors and tokenizer.json."
        )
    weights = [path for path in folder.glob("*.safetensors") if path.name.startswith("model")]
    if not weights:
        pickled = sorted(path.name for path in folder.glob("*.bin"))
        has = f"only {', '.join(pickled)}, and pickled weights are not read" if pickled else "no weights"
        raise BaseError(f"{folder} has {has}; expected model.safetensors. Convert the model to safetensors first.")
    matter = [*weights, folder / "config.json"]
    optional = ("tokenizer.json", "modules.json", "sentence_bert_config.json", "model.safetensors.index.json")
    matter += [folder / name for name in optional if (folder / name).is_file()]
    if not (folder / "tokenizer.json").is_file():
        matter += [path for path in folder.iterdir() if path.suffix in (".model", ".txt") or "token" in path.name]
    for module in folder.iterdir():
        if module.is_dir() and re.match(r"\d+_", module.name):
            matter += [p for p in module.iterdir() if p.name in ("config.json", "model.safetensors")]
    return sorted({path.relative_to(folder).as_posix() for path in matter})


def _not_found(name: str, tried: list[str], advice: str) -> BaseNotFoundError:
    lines = "\n".join(f"  {number}. {line}" for number, line in enumerate(tried, 1))
    return BaseNotFoundError(
        f"The weights of base {name!r} could not be found (cache folder: {cache_folder()}). Tried:\n{lines}\n{advice}"
    )
