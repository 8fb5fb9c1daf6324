"""The methods that can be measured, and how a command names them."""

import ast
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.harness.errors import UsageError
from benchmarks.harness.tasks import ALL, Kind

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "benchmarks" / "peers"
# What decides fewfit's answers; a change elsewhere (command line, errors, registry) keeps old rows valid.
_OURS = (
    "training/*.py",
    "encoders/*ing.py",
    "encoders/encoder.py",
    "encoders/split.py",
    "decision/*.py",
    "classifier/classifier.py",
    "classifier/answering.py",
    "classifier/inputs.py",
)


@dataclass(frozen=True)
class Method:
    """A method: the worker that runs it, the environment it runs in, and what it was asked to do otherwise.

    `requirements` names a file in `benchmarks/peers/`; None is the project's own environment. `size`
    overrides the sizes of the command (`tfidf@all`). A `deterministic` method gives the same answers for
    every seed, so that on all rows one run says everything.
    """

    name: str
    worker: str
    requirements: str | None
    kinds: tuple[Kind, ...] = ("single", "multi")
    uses_base: bool = True
    deterministic: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)
    size: str | None = None

    @property
    def label(self) -> str:
        """How the method is called in tables: its name and settings."""
        return label(self.name, self.settings)

    @property
    def all_settings(self) -> dict[str, Any]:
        """What the worker is told."""
        return self.fixed | self.settings

    def code(self) -> str:
        """A digest of the code and the packages that decide the answers; comments and docstrings do not count."""
        return _code(self.worker, self.requirements)


_METHODS = {
    method.name: method
    for method in (
        Method("fewfit", "fewfit", None),
        Method("setfit", "setfit", "setfit.txt"),
        Method("finetune", "finetune", "setfit.txt"),
        Method("frozen", "frozen", "classical.txt", deterministic=True),
        Method(
            "frozen-threshold",
            "frozen",
            "classical.txt",
            kinds=("multi",),
            deterministic=True,
            fixed={"threshold": "cv"},
        ),
        Method("label-names", "frozen", "classical.txt", kinds=("single",), deterministic=True, fixed={"names": True}),
        Method("tfidf", "tfidf", "classical.txt", uses_base=False, deterministic=True),
    )
}


@cache
def _code(worker: str, requirements: str | None) -> str:
    files = [PEERS / f"{worker}.py"]
    if requirements:
        files += [PEERS / "linear.py", PEERS / requirements]
    else:
        files += [path for pattern in _OURS for path in (ROOT / "fewfit").glob(pattern)]
    return digest_of(sorted(files))


def label(name: str, settings: dict[str, Any]) -> str:
    """A method's name with its settings, as a command takes it: `setfit:max_steps=500`."""
    return ":".join([name, *(f"{key}={_written(value)}" for key, value in sorted(settings.items()))])


def parse_methods(names: Sequence[str], *, setfit_max_steps: int | None = None) -> list[Method]:
    """The methods that names stand for: `NAME[:key=value]...[@size]`, such as `fewfit:effort=quick`.

    Values are read as JSON where they are JSON, else as text. Raises UsageError for an unknown name.
    """
    methods = []
    for written in names:
        spec, _, size = written.partition("@")
        name, *pairs = spec.split(":")
        if name not in _METHODS:
            raise UsageError(f"There is no method {name!r}. Methods: {', '.join(_METHODS)}.")
        settings = dict(_pair(pair, written) for pair in pairs)
        if name == "setfit" and setfit_max_steps is not None:
            settings.setdefault("max_steps", setfit_max_steps)
        methods.append(replace(_METHODS[name], settings=settings, size=size or None))
    return methods


def refusal(method: Method, kind: Kind, size: str) -> str | None:
    """Why this method is not run on such a task and size; None where it is."""
    if kind not in method.kinds:
        return f"{method.label} is for {' and '.join(method.kinds)}label tasks"
    if method.name == "setfit" and size == ALL and "max_steps" not in method.settings:
        return "setfit on all rows would make hundreds of thousands of steps; cap them with --setfit-max-steps"
    return None


def digest_of(files: Sequence[Path]) -> str:
    """Twelve hex digits for what files say; of Python, comments, docstrings and layout do not count."""
    hashed = hashlib.sha256()
    for path in files:
        content = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            content = ast.unparse(_without_docstrings(ast.parse(content)))
        hashed.update(f"{path.name}\n{content}\n".encode())
    return hashed.hexdigest()[:12]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return tree


def _pair(pair: str, written: str) -> tuple[str, Any]:
    key, equals, value = pair.partition("=")
    if not (key and equals):
        raise UsageError(f"{written!r}: {pair!r} is no setting; expected key=value, as in setfit:max_steps=500.")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
