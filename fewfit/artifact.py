"""A saved model: a folder with a manifest, arrays and a tokenizer, each file with its hash.

Reading one never runs code from it: JSON and safetensors only. The format is described in
docs/artifact.md; a folder is written under a temporary name and renamed when it is whole.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from fewfit.decision import Calibration, Decision, Head, Kind, Rejection
from fewfit.encoders.portable import BASE_TAIL_FILE, ENCODER_FILE, GRAPH_FILES, TRUNK_FILE, PortableEncoder
from fewfit.errors import ArtifactError, InputError
from fewfit.examples import KeptExamples
from fewfit.fast_tier import FILE as FAST_FILE
from fewfit.fast_tier import FastTier

SCHEMA_VERSION = 1
MANIFEST_FILE = "model.json"
TAIL_FILE = "tail.safetensors"
HEAD_FILE = "head.safetensors"
TOKENIZER_FILE = "tokenizer.json"
PROBES_FILE = "probes.safetensors"
EXAMPLES_FILE = "examples.safetensors"
LARGEST_MANIFEST_BYTES = 64 * 2**20
_NOT_UNDERSTOOD = (KeyError, TypeError, ValueError, OverflowError, SafetensorError)


@dataclass(frozen=True)
class BaseReference:
    """Which base a model stands on: bound by `digest`; `source` only helps to find it again."""

    name: str
    digest: str
    source: str
    n_layers: int
    tail_layers: int

    @property
    def tail_in_words(self) -> str:
        """Which layers are the tail, as a phrase: "the upper 4 of 6 layers"."""
        if self.tail_layers == self.n_layers:
            return f"all {self.n_layers} layers"
        return f"the upper {self.tail_layers} of {self.n_layers} layers"


@dataclass(frozen=True)
class Manifest:
    """What `model.json` says, apart from the numbers of the decision.

    `metrics` holds sets of figures by name (out-of-fold, evaluation ...), `training` what the model was
    trained with, `warnings` what was found in its data, `serving` the precision it is served in and how
    near that is to the trained model, `fast` what came of distilling a fast tier. A text of more than `max_length`
    tokens is read in up to `windows` windows of that length (1: it is cut).
    """

    kind: Kind
    labels: tuple[str, ...]
    base: BaseReference
    max_length: int
    clean: bool
    tuned: bool
    created_at: str
    fewfit_version: str
    metrics: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    libraries: dict[str, str] = field(default_factory=dict)
    serving: dict[str, Any] = field(default_factory=dict)
    fast: dict[str, Any] = field(default_factory=dict)
    windows: int = 1


@dataclass(frozen=True)
class Artifact:
    """A saved model in memory. `tail` maps parameter names to arrays; `frozen` is the untuned decision (None
    in a model that was updated: the untuned embeddings of its examples are not kept).

    `portable` is what a machine without torch needs of the base (None in a model saved by torch alone),
    `probes` the trained model's confidences on `fewfit.serving.parity.ODD_TEXTS`, (n_texts, n_labels), and
    `probe_embeddings` its embeddings of them (None in older models). `examples` are those it keeps, if any,
    `fast` is its fast tier, if it was distilled (`manifest.fast` then says what was promised).
    """

    manifest: Manifest
    decision: Decision
    frozen: Decision | None
    tail: Mapping[str, np.ndarray]
    tokenizer: str
    portable: PortableEncoder | None = None
    probes: np.ndarray | None = None
    probe_embeddings: np.ndarray | None = None
    examples: KeptExamples | None = None
    fast: FastTier | None = None

    @property
    def kept_texts(self) -> tuple[str, ...]:
        """The texts of the examples that are kept; none where there are no examples."""
        return () if self.examples is None else self.examples.texts


def write_artifact(folder: Path | str, artifact: Artifact) -> None:
    """Writes a model folder, whole or not at all; an older model of that name is replaced.

    Raises ArtifactError when the place holds something that is not a model, or files that are not of the model.
    """
    target = Path(folder)
    if target.is_symlink():
        target = target.resolve()  # what the link leads to is replaced, not the link
    check_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        contents = _contents(artifact)
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        contents[MANIFEST_FILE] = _manifest_json(artifact, hashes)
        for name, content in contents.items():
            _write_durably(temporary / name, content)
        temporary.chmod(0o755)
        _put_in_place(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def check_replaceable(folder: Path) -> None:
    """Raises ArtifactError where the folder holds something that is not a model, or cannot be replaced as a whole."""
    if os.path.ismount(folder.resolve()):
        raise ArtifactError(
            f"{folder} is a mount point, such as a container's volume, which cannot be replaced. Give a folder in it, "
            f"such as {folder / 'model'}."
        )
    with suppress(OSError):  # nothing is there
        if folder.samefile(Path()):
            raise ArtifactError(
                f"{folder} is the folder that fewfit runs in, which cannot be replaced. Give another, such as "
                f"{folder / 'model'}."
            )
    try:
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        if folder.is_dir() and not names:
            return
        files = _any_manifest_json(folder).get("files")
    except (ArtifactError, FileNotFoundError):
        files = None
    if not folder.exists():
        return  # there was nothing, or another process is replacing it
    if not isinstance(files, dict):
        raise ArtifactError(
            f"{folder} is there and is not a fewfit model (it has no {MANIFEST_FILE} of one). Give another folder, "
            "or delete it first."
        )
    own = {MANIFEST_FILE, *files}
    others = sorted(name for name in names if name not in own)
    if others:
        raise ArtifactError(
            f"{folder} holds a model and, besides, {', '.join(others[:3])}{' ...' if len(others) > 3 else ''}, which "
            "would be lost with it. Give another folder, or move that elsewhere."
        )


def read_artifact(folder: Path | str, *, examples: bool = True) -> Artifact:
    """Reads a model folder and checks every file against its hash.

    Who only answers texts leaves the kept `examples` out: they are the largest part that answering does not need.
    Raises ArtifactError when a part is missing, was changed, or comes from a newer fewfit.
    """
    source = Path(folder).absolute()  # its weights are read when they are needed, wherever the program is by then
    which = _which(source)
    try:
        artifact = _read(source, _read_manifest_json(source), examples=examples)
    except (ArtifactError, FileNotFoundError):
        if _which(source) == which:
            raise
    else:
        if _which(source) == which:
            return artifact
    # Another model took its place meanwhile: what was read is of both.
    return read_artifact(source, examples=examples)


def with_thresholds(
    manifest: bytes, thresholds: Mapping[str, float]
) -> tuple[bytes, dict[str, float], dict[str, float]]:
    """The content of a model.json with other thresholds for some labels, and all thresholds before and after.

    Nothing else of a model depends on them. Raises InputError for a single-label model, an unknown label, or a value
    outside 0 to 1.
    """
    data = json.loads(manifest)
    labels = tuple(data["labels"])
    limits = data["decision"]["thresholds"]
    numbers = None if limits is None else np.array(limits, dtype=float)
    no_head = Head(np.zeros((len(labels), 0), dtype=np.float32), np.zeros(len(labels), dtype=np.float32))
    decision = Decision(data["kind"], labels, no_head, Calibration.identity(len(labels)), numbers)
    changed = decision.with_thresholds(thresholds).thresholds
    if limits is None or changed is None:
        raise InputError("A single-label model gives its most confident label and has no thresholds to change.")
    data["decision"]["thresholds"] = [float(value) for value in changed]
    content = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False).encode()
    before, after = (dict(zip(labels, map(float, values), strict=True)) for values in (limits, changed))
    return content, before, after


def read_manifest(folder: Path | str) -> Manifest:
    """Reads only what a model is, without its arrays. Raises ArtifactError like `read_artifact`."""
    source = Path(folder)
    data = _read_manifest_json(source)
    try:
        return _manifest(data)
    except _NOT_UNDERSTOOD as error:
        raise ArtifactError(f"{source / MANIFEST_FILE} cannot be understood: {error!r}.") from error


def _read(source: Path, data: Mapping[str, Any], *, examples: bool) -> Artifact:
    """The model in a folder that has this manifest."""
    try:
        hashes = data["files"]
        for name in (TAIL_FILE, HEAD_FILE, TOKENIZER_FILE):
            _check(source / name, hashes[name])
        manifest = _manifest(data)
        heads = load_file(source / HEAD_FILE)
        tail = load_file(source / TAIL_FILE)
        decision = _decision(manifest, data["decision"], heads, "")
        frozen = None if data["frozen"] is None else _decision(manifest, data["frozen"], heads, "frozen.")
        portable, probes = _portable(source, hashes)
        fast = _fast(source, hashes, len(manifest.labels)) if FAST_FILE in hashes else None
        kept = _examples(source, hashes, len(manifest.labels)) if examples and EXAMPLES_FILE in hashes else None
        tokenizer = (source / TOKENIZER_FILE).read_text(encoding="utf-8")
    except _NOT_UNDERSTOOD as error:
        raise ArtifactError(f"{source / MANIFEST_FILE} cannot be understood: {error!r}.") from error
    return Artifact(
        manifest,
        decision,
        frozen,
        tail,
        tokenizer,
        portable,
        probes.get("confidences"),
        probes.get("embeddings"),
        kept,
        fast,
    )


def _which(source: Path) -> tuple[int, int] | None:
    """What tells a folder's model from one that takes its place, even the same one saved again; None without one."""
    try:
        found = (source / MANIFEST_FILE).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _examples(source: Path, hashes: Mapping[str, str], n_labels: int) -> KeptExamples:
    _check(source / EXAMPLES_FILE, hashes[EXAMPLES_FILE])
    return KeptExamples.from_arrays(load_file(source / EXAMPLES_FILE), n_labels)


def _fast(source: Path, hashes: Mapping[str, str], n_labels: int) -> FastTier:
    _check(source / FAST_FILE, hashes[FAST_FILE])
    return FastTier.from_arrays(load_file(source / FAST_FILE), n_labels)


def _portable(source: Path, hashes: Mapping[str, str]) -> tuple[PortableEncoder | None, dict[str, np.ndarray]]:
    """The encoder's files and the probes, where the model has them; the trunk is read when it is needed."""
    if ENCODER_FILE not in hashes:
        return None, {}
    files = {}
    for name in (ENCODER_FILE, *(name for name in GRAPH_FILES if name in hashes)):
        _check(source / name, hashes[name])
        files[name] = (source / name).read_bytes()
    _check(source / PROBES_FILE, hashes[PROBES_FILE])
    shared = [source / name if name in hashes else None for name in (TRUNK_FILE, BASE_TAIL_FILE)]
    for path in shared:
        if path is not None and not path.is_file():
            _check(path, hashes[path.name])
    return PortableEncoder.from_files(files, *shared), load_file(source / PROBES_FILE)


def _contents(artifact: Artifact) -> dict[str, bytes]:
    optional: dict[str, bytes] = {}
    if artifact.portable is not None and artifact.probes is not None:
        optional = artifact.portable.files()
        probes = {"confidences": artifact.probes}
        if artifact.probe_embeddings is not None:
            probes["embeddings"] = artifact.probe_embeddings
        optional[PROBES_FILE] = _safetensors(probes)
    if artifact.examples is not None:
        optional[EXAMPLES_FILE] = _safetensors(artifact.examples.arrays())
    if artifact.fast is not None:
        optional[FAST_FILE] = _safetensors(artifact.fast.arrays())
    heads = {"weight": artifact.decision.head.weight, "bias": artifact.decision.head.bias}
    if artifact.decision.rejection is not None:
        heads["references"] = artifact.decision.rejection.references
    if artifact.frozen is not None:
        heads |= {"frozen.weight": artifact.frozen.head.weight, "frozen.bias": artifact.frozen.head.bias}
    return {
        TAIL_FILE: _safetensors(artifact.tail),
        HEAD_FILE: _safetensors(heads),
        TOKENIZER_FILE: artifact.tokenizer.encode(),
        **optional,
    }


def _safetensors(arrays: Mapping[str, np.ndarray]) -> bytes:
    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()})


def _manifest_json(artifact: Artifact, hashes: Mapping[str, str]) -> bytes:
    data = {
        "schema_version": SCHEMA_VERSION,
        **asdict(artifact.manifest),
        "decision": _decision_json(artifact.decision),
        "frozen": None if artifact.frozen is None else _decision_json(artifact.frozen),
        "files": dict(hashes),
    }
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False).encode()


def _decision_json(decision: Decision) -> dict[str, Any]:
    data: dict[str, Any] = {
        "scale": decision.calibration.scale.tolist(),
        "offset": decision.calibration.offset.tolist(),
        "thresholds": None if decision.thresholds is None else decision.thresholds.tolist(),
    }
    if decision.rejection is not None:
        data["rejection"] = {"rate": decision.rejection.rate, "threshold": decision.rejection.threshold}
    if decision.groups:
        data["groups"] = [list(columns) for columns in decision.groups]
    if decision.kind == "single":
        data["temperature"] = 1 / float(decision.calibration.scale[0])
    return data


def _decision(manifest: Manifest, data: Mapping[str, Any], heads: Mapping[str, np.ndarray], prefix: str) -> Decision:
    n_labels = len(manifest.labels)
    head = Head(heads[f"{prefix}weight"], heads[f"{prefix}bias"])
    calibration = Calibration(np.array(data["scale"], dtype=float), np.array(data["offset"], dtype=float))
    thresholds = None if data["thresholds"] is None else np.array(data["thresholds"], dtype=float)
    for name, array, n_axes in (
        ("head", head.bias, 1),
        ("head", head.weight, 2),
        ("scale", calibration.scale, 1),
        ("offset", calibration.offset, 1),
        ("thresholds", thresholds, 1),
    ):
        if array is None:
            continue
        if array.ndim != n_axes or len(array) != n_labels:
            raise ValueError(f"{name} has the shape {array.shape} for {n_labels} labels")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has values that are no finite numbers")
    groups = tuple(tuple(int(column) for column in columns) for columns in data.get("groups", []))
    if groups and (manifest.kind == "single" or sorted(c for columns in groups for c in columns) != [*range(n_labels)]):
        raise ValueError("groups belong to multilabel models, and every label to one of them")
    if (thresholds is None) != (manifest.kind == "single" or bool(groups)):
        raise ValueError("thresholds belong to multilabel models without groups, and only to them")
    rejection = None
    if rejected := data.get("rejection"):
        rejection = Rejection(float(rejected["rate"]), float(rejected["threshold"]), heads[f"{prefix}references"])
        if rejection.references.shape[1:] != head.weight.shape[1:]:
            raise ValueError(f"the references have shape {rejection.references.shape}")
    return Decision(manifest.kind, manifest.labels, head, calibration, thresholds, rejection, groups)


def _manifest(data: Mapping[str, Any]) -> Manifest:
    if data["kind"] not in ("single", "multi"):
        raise ValueError(f"kind is {data['kind']!r}, expected 'single' or 'multi'")
    windows = int(data.get("windows", 1))  # older models cut
    if windows < 1:
        raise ValueError(f"windows is {windows}, expected 1 or more")
    return Manifest(
        kind=data["kind"],
        labels=tuple(str(label) for label in data["labels"]),
        base=_base(**data["base"]),
        max_length=int(data["max_length"]),
        clean=bool(data["clean"]),
        tuned=bool(data["tuned"]),
        created_at=str(data["created_at"]),
        fewfit_version=str(data["fewfit_version"]),
        metrics=dict(data["metrics"]),
        training=dict(data["training"]),
        warnings=[str(warning) for warning in data["warnings"]],
        libraries=dict(data["libraries"]),
        serving=dict(data.get("serving", {})),
        fast=dict(data.get("fast", {})),
        windows=windows,
    )


def _base(name: str, digest: str, source: str, n_layers: int, tail_layers: int) -> BaseReference:
    return BaseReference(str(name), str(digest), str(source), int(n_layers), int(tail_layers))


def _read_manifest_json(source: Path) -> dict[str, Any]:
    data = _any_manifest_json(source)
    if data["schema_version"] != SCHEMA_VERSION:
        raise ArtifactError(
            f"{source / MANIFEST_FILE} has schema version {data['schema_version']}; this fewfit reads "
            f"{SCHEMA_VERSION}. Install the fewfit that wrote it, or train the model again."
        )
    return data


def _any_manifest_json(source: Path) -> dict[str, Any]:
    """A model's manifest, whatever its schema. Raises ArtifactError where there is none."""
    path = source / MANIFEST_FILE
    if not source.is_dir():
        raise ArtifactError(f"{source} is not a folder. Expected a model folder as `fewfit train -o` writes it.")
    if not path.is_file():
        raise ArtifactError(f"{source} has no {MANIFEST_FILE}, so it is not a fewfit model.")
    if path.stat().st_size > LARGEST_MANIFEST_BYTES:
        raise ArtifactError(f"{path} has {path.stat().st_size:,} bytes; that is not a manifest.")
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict) or "schema_version" not in data:
        raise ArtifactError(f"{path} has no schema_version, so it is not a fewfit model.")
    return data


def _no_number(constant: str) -> None:
    """Python's JSON knows NaN and Infinity; a confidence that is computed from one says nothing."""
    raise ValueError(f"it has {constant}, which is no number")


def _check(path: Path, expected: str) -> None:
    if not path.is_file():
        raise ArtifactError(f"{path} is missing; the model is not whole. Copy the whole folder again.")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise ArtifactError(
            f"{path} was changed after the model was saved (SHA-256 {found[:12]}..., expected {expected[:12]}...). "
            "It was not used; copy the folder again."
        )


def _put_in_place(temporary: Path, target: Path) -> None:
    """Gives a folder its name. A model that has it goes, and so does one that another process puts there meanwhile."""
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-old-", dir=target.parent))
    older = aside / "model"
    try:
        with suppress(FileNotFoundError):
            target.rename(older)
        temporary.rename(target)
    except BaseException as error:  # Ctrl-C between the two must not lose both models
        if not (isinstance(error, OSError) and error.errno in (errno.ENOTEMPTY, errno.EEXIST)):
            if older.exists() and not target.exists():
                older.rename(target)
            raise
        check_replaceable(target)
        _put_in_place(temporary, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
