"""Every setting of the service: one table that feeds flags, environment, docs and validation.

A field's name gives the flag (`--rate-limit-per-minute`) and the environment variable
(`FEWFIT_RATE_LIMIT_PER_MINUTE`). A flag wins over the environment, which wins over the default.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from fewfit.errors import InputError

PREFIX = "FEWFIT_"
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})
_GIB = 2**30
_DATA = Path("fewfit-data")


def _setting(
    default: Any, help_text: str, *, at_least: float | None = None, check: Callable[[Any], str] | None = None
) -> Any:
    """A field of the table. `check` returns what is wrong with a value, or an empty string."""
    return field(default=default, metadata={"help": help_text, "at_least": at_least, "check": check})


def _check_http_url(value: str) -> str:
    return "" if not value or value.startswith(("http://", "https://")) else "expected http://... or https://..."


@dataclass(frozen=True)
class Settings:
    """How the service runs.

    >>> Settings.load({"port": "9000"}, environ={"FEWFIT_MIN_EXAMPLES": "40"}).min_examples
    40
    """

    host: str = _setting("127.0.0.1", "Address to listen on. Anything but loopback needs a key to exist.")
    port: int = _setting(8000, "Port to listen on; 0 takes a free one.", at_least=0)
    data: Path = _setting(_DATA, "Folder for database, files and caches; made when missing.")  # noqa: RUF009
    database_url: str = _setting("", "SQLAlchemy URL of a PostgreSQL database; empty: SQLite in the data folder.")
    files_url: str = _setting(
        "", "Where files are kept, as an fsspec URL (s3://bucket/folder); empty: in the data folder."
    )
    files_endpoint_url: str = _setting(
        "", "HTTP endpoint of an S3-compatible store that is not Amazon's.", check=_check_http_url
    )
    public_url: str = _setting(
        "",
        "Address that clients reach the server under, for download links; empty: from the request.",
        check=_check_http_url,
    )
    default_base: str = _setting(
        "multilingual", "Base of models that do not name one: a name from `fewfit bases` or a folder."
    )
    workers: int = _setting(1, "Worker processes that `fewfit serve` starts; 0: they run elsewhere.", at_least=0)
    worker_threads: int = _setting(
        0, "Threads that a training job computes with; 0: all cores but one, at least one.", at_least=0
    )
    worker_nice: int = _setting(10, "How far a worker steps back behind serving (0 to 19).", at_least=0)
    serving_threads: int = _setting(0, "Threads that classification computes with; 0: all cores.", at_least=0)
    poll_interval_s: float = _setting(0.5, "How often an idle worker looks for work, in seconds.", at_least=0.01)
    lease_s: float = _setting(
        30.0, "After this many seconds without a sign of life another worker takes a job up.", at_least=0.1
    )
    max_attempts: int = _setting(3, "How often a job is tried when its worker dies or the system fails.", at_least=1)
    max_queued_jobs: int = _setting(
        100, "Jobs that an organisation may have waiting; more are refused with 429.", at_least=1
    )
    min_examples: int = _setting(32, "Fewest valid training examples of a dataset.", at_least=2)
    min_examples_per_label: int = _setting(5, "Fewest training examples of each label.", at_least=1)
    min_eval_examples: int = _setting(24, "Fewest valid examples of an evaluation file.", at_least=1)
    eval_fraction: float = _setting(
        0.2, "Share of the examples held out for evaluation where no evaluation file is given.", at_least=0.01
    )
    min_holdout_examples: int = _setting(
        250,
        "From how many examples on that share is held out; with fewer all are trained on and cross-validated.",
        at_least=0,
    )
    max_dataset_bytes: int = _setting(3 * _GIB // 2, "Largest upload of one dataset, in bytes.", at_least=1)
    max_organization_bytes: int = _setting(10 * _GIB, "Most that an organisation's datasets may take.", at_least=1)
    retention_days: float = _setting(0.0, "Datasets are deleted after this many days; 0: never.", at_least=0)
    max_inputs: int = _setting(96, "Most texts in one classify request.", at_least=1)
    max_examples: int = _setting(2500, "Most examples in one classify request.", at_least=4)
    max_length: int = _setting(
        0, "Tokens of a text that are read when training; 0: as many as the base reads by default.", at_least=0
    )
    effort: str = _setting("balanced", "How much time training may take: quick, balanced or thorough.")
    max_waiting_texts: int = _setting(
        8192, "Texts that may wait to be classified; more are refused with 429.", at_least=1
    )
    max_loaded_models: int = _setting(64, "Models kept in memory; the one unused for longest goes first.", at_least=1)
    cached_example_sets: int = _setting(
        64, "Sets of examples whose classifier is kept in memory (classify without a model).", at_least=0
    )
    max_body_bytes: int = _setting(16 * 2**20, "Largest body of a request that is not an upload, in bytes.", at_least=1)
    body_timeout_s: float = _setting(
        60.0, "A request is refused when its body stops arriving for this long, in seconds.", at_least=0.01
    )
    max_waiting_requests: int = _setting(
        256, "Requests being answered at once; more are refused with 429 and Retry-After.", at_least=1
    )
    rate_limit_per_minute: int = _setting(0, "Requests a key may make in a minute; 0: any number.", at_least=0)
    log_level: str = _setting("info", "How much is logged: debug, info, warning or error.")

    def __post_init__(self) -> None:
        for item in fields(self):
            problem = _problem(item, getattr(self, item.name))
            if problem:
                raise InputError(f"The setting {item.name} is {getattr(self, item.name)!r}; {problem}.")
        if self.max_waiting_texts < self.max_inputs:
            raise InputError(
                f"The setting max_waiting_texts is {self.max_waiting_texts}; expected at least the max_inputs "
                f"{self.max_inputs} of one request, which would always be refused."
            )

    @classmethod
    def load(cls, flags: Mapping[str, object] | None = None, environ: Mapping[str, str] | None = None) -> "Settings":
        """The settings from flags (None: not given), then the environment, then the defaults.

        Raises InputError that names the flag or variable, its value and what was expected; an unknown
        `FEWFIT_...` variable is not an error, an unknown flag is.
        """
        environ = os.environ if environ is None else environ
        given = {name: value for name, value in (flags or {}).items() if value is not None}
        kinds = get_type_hints(cls)
        unknown = sorted(set(given) - set(kinds))
        if unknown:
            raise InputError(f"There is no setting {unknown[0]!r}. The settings are: {', '.join(kinds)}.")
        values: dict[str, Any] = {}
        for name, kind in kinds.items():
            variable = PREFIX + name.upper()
            if name in given:
                values[name] = _converted(given[name], kind, "--" + name.replace("_", "-"))
            elif variable in environ:
                values[name] = _converted(environ[variable], kind, variable)
        return cls(**values)

    def to_environ(self) -> dict[str, str]:
        """The settings as environment variables, for a process that is to run with the same ones."""
        return {PREFIX + item.name.upper(): str(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def table(cls) -> list["SettingInfo"]:
        """Every setting with its flag, variable, default and help, in the order of the docs."""
        kinds = get_type_hints(cls)
        return [SettingInfo(item.name, kinds[item.name], item.default, item.metadata["help"]) for item in fields(cls)]


@dataclass(frozen=True)
class SettingInfo:
    """One setting as docs and command line show it."""

    name: str
    kind: type
    default: Any
    help: str

    @property
    def flag(self) -> str:
        """The command line's name of it."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment's name of it."""
        return PREFIX + self.name.upper()


def settings_markdown() -> str:
    """The table of settings as docs/service.md shows it."""
    lines = ["| flag | environment | default | what it does |", "|---|---|---|---|"]
    for item in Settings.table():
        default = f"`{item.default}`" if str(item.default) else "(empty)"
        lines.append(f"| `{item.flag}` | `{item.variable}` | {default} | {item.help} |")
    return "\n".join(lines) + "\n"


_CHOICES = {
    "effort": ("quick", "balanced", "thorough"),
    "log_level": ("debug", "info", "warning", "error"),
}


def _problem(item: "Field[Any]", value: Any) -> str:
    at_least, check = item.metadata["at_least"], item.metadata["check"]
    choices = _CHOICES.get(item.name)
    if choices and value not in choices:
        return f"expected one of {', '.join(choices)}"
    if at_least is not None and not value >= at_least:  # catches NaN too
        return f"expected at least {at_least}"
    return check(value) if check is not None else ""


def _converted(value: object, kind: Any, name: str) -> Any:
    """A value from the command line or the environment in the type of its setting."""
    if isinstance(value, kind) and not (kind in (int, float) and isinstance(value, bool)):
        return value
    text = str(value).strip()
    try:
        if kind is bool:
            if text.lower() not in _TRUE | _FALSE:
                raise ValueError
            return text.lower() in _TRUE
        return kind(text)
    except ValueError:
        expected = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, kind.__name__)
        raise InputError(f"{name} is {value!r}; expected {expected}.") from None
