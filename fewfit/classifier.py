"""What the user holds: a text classifier that fits, predicts, evaluates, saves and loads."""

import logging
import operator
import platform
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fewfit.artifact import Artifact, BaseReference, Manifest, read_artifact, write_artifact
from fewfit.data import Dataset, Report, clean_text, read_dataset, validate
from fewfit.decision import Decision
from fewfit.errors import ArtifactError, BaseError, InputError, MissingExtraError, NotFittedError
from fewfit.serving.engine_runtime import EngineRuntime
from fewfit.serving.runtime import Runtime
from fewfit.serving.served import ModelLoader
from fewfit.version import __version__

if TYPE_CHECKING:
    from fewfit.training import Effort, EventSink, TrainingSettings
    from fewfit.training.evaluation import Evaluation

logger = logging.getLogger(__name__)

Labels = Sequence[str] | Sequence[Sequence[str]] | np.ndarray
_LIBRARIES = ("numpy", "onnxruntime", "safetensors", "scikit-learn", "tokenizers", "torch", "transformers")


class Classifier:
    """A text classifier, fine-tuned from a few dozen examples.

    >>> from fewfit import Classifier
    >>> clf = Classifier(base="english-small", seed=0)  # doctest: +SKIP
    >>> clf.fit(texts, labels)  # doctest: +SKIP
    >>> clf.predict(["my card was charged twice"])  # doctest: +SKIP
    ['billing']

    `base` is a name from `fewfit bases`, a Hugging Face id or a folder. `effort` is how much time
    training may take ("quick", "balanced", "thorough"); `settings` gives every knob instead. `max_length`
    is how many tokens of a text are read (None: as many as the base reads by default). `clean` strips
    markup and URLs, when training and when classifying. `device` is a torch device or "auto".

    scikit-learn's conventions hold: parameters are kept as given, fitted attributes end in an underscore,
    and it works in `cross_val_score` and `GridSearchCV`. Labels are strings (single-label), lists of
    strings (multilabel, possibly empty) or an indicator matrix (n_texts, n_labels; then predictions are
    one too, and `classes_` are its column numbers).
    """

    def __init__(
        self,
        base: str | Path = "multilingual",
        *,
        effort: "Effort" = "balanced",
        seed: int = 0,
        max_length: int | None = None,
        clean: bool = False,
        device: str = "auto",
        settings: "TrainingSettings | None" = None,
    ) -> None:
        self.base = base
        self.effort = effort
        self.seed = seed
        self.max_length = max_length
        self.clean = clean
        self.device = device
        self.settings = settings

    # Fitting ------------------------------------------------------------------------------------

    def fit(
        self,
        texts: Iterable[str],
        labels: Labels,
        *,
        on_event: "EventSink | None" = None,
        cancel: threading.Event | None = None,
        report: Report | None = None,
    ) -> Self:
        """Fine-tunes on labelled texts and returns the classifier itself.

        `on_event` is called with an `Event` as work goes on; setting `cancel` from another thread ends it
        with Cancelled, and the classifier stays as it was. What is doubtful in the data is logged and kept
        in `warnings_`. Raises DataError with everything that is wrong, by row, where data cannot be used;
        fewer than 2 labels or no texts at all are refused, smaller things are warned about. Who has checked
        the data already, in its own rows, hands in the `report`: it is kept, and nothing is checked again.
        """
        training = _training()
        seed = _whole("seed", self.seed, _LARGEST)
        settings = self.settings or training.TrainingSettings.for_effort(self.effort)
        names, columns = _label_names(labels)
        dataset, found = _labelled(texts, names)
        found.raise_for_errors()
        targets = training.Targets.from_labels(dataset.targets, known=columns)
        encoder = self._encoder()
        max_length = encoder.config.max_length
        if self.max_length is not None:
            max_length = _whole(
                "max_length", self.max_length, _LARGEST
            )  # what the base can read is the tokenizer's to say
        if self.clean:
            dataset = dataset.with_examples(replace(e, text=clean_text(e.text)) for e in dataset.examples)
        read = dataset.texts
        if report is None:
            checked = validate(
                dataset,
                requirements=_lenient(),
                count_tokens=encoder.tokenizer.count,
                max_tokens=max_length,
                base=encoder.weights.name,
            )
            report = found.merge(checked)
            for finding in report.warnings:
                logger.warning("%s", finding.message)
        report.raise_for_errors()
        progress = training.Progress(on_event, cancel)
        trained = training.train(encoder, read, targets, settings, seed=seed, max_length=max_length, progress=progress)
        trunk, _ = encoder.split(trained.tail_layers)
        self._runtime: Runtime = _torch_runtime(trunk, trained.tail, encoder, max_length)
        self._encoder_ = encoder
        self._probe_texts = read[:_MOST_PROBE_TEXTS]
        self._indicator = columns is not None
        self._artifact = Artifact(
            manifest=Manifest(
                kind=targets.kind,
                labels=targets.labels,
                base=BaseReference(
                    name=encoder.weights.name,
                    digest=encoder.weights.digest,
                    source=str(self.base),
                    n_layers=encoder.config.n_layers,
                    tail_layers=trained.tail_layers,
                ),
                max_length=max_length,
                clean=self.clean,
                tuned=trained.tuned,
                created_at=datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                fewfit_version=__version__,
                metrics={"out_of_fold": trained.out_of_fold} if trained.out_of_fold else {},
                training={
                    "seed": seed,
                    "effort": None if self.settings else self.effort,
                    "settings": asdict(settings),
                    "indicator": columns is not None,
                    "steps": trained.steps,
                    "elapsed_s": round(trained.elapsed_s, 3),
                    "n_texts": len(dataset),
                    "label_counts": dict(zip(targets.labels, map(int, targets.counts), strict=True)),
                },
                warnings=[finding.message for finding in report.warnings],
                libraries=_library_versions(),
            ),
            decision=trained.decision,
            frozen=trained.frozen,
            tail={name: tensor.detach().cpu().numpy() for name, tensor in trained.tail.state_dict().items()},
            tokenizer=encoder.tokenizer.to_json(),
        )
        return self

    # Answering ----------------------------------------------------------------------------------

    def predict(
        self, texts: Iterable[str], *, thresholds: float | Mapping[str, float] | None = None
    ) -> list[str] | list[list[str]] | np.ndarray:
        """The label of each text, or the list of its labels (multilabel; possibly empty, surest first).

        `thresholds` overrides the fitted ones for this call: one for all labels, or some by name.
        """
        decision = self._fitted().decision.with_thresholds(thresholds)
        confidences = self.predict_proba(texts)
        given = decision.matrix(confidences)
        if self._indicator:
            return given.astype(int)
        names = decision.labels
        if decision.kind == "single":
            return [names[column] for column in given.argmax(axis=1)]
        order = np.argsort(-confidences, axis=1, kind="stable")
        return [[names[column] for column in row if given[number, column]] for number, row in enumerate(order)]

    def predict_proba(self, texts: Iterable[str]) -> np.ndarray:
        """Confidences, (n_texts, n_labels), columns as in `classes_`; rows sum to 1 in single-label tasks."""
        artifact = self._fitted()
        return artifact.decision.probabilities(self._embed(texts, self._runtime))

    def evaluate(self, texts: Iterable[str], labels: Labels, *, compare: bool = True) -> "Evaluation":
        """How good the answers are on labelled texts, beside those of the frozen base.

        `compare=False` leaves the frozen base out, which halves the time. Needs the training extra. Raises
        InputError for labels that the model does not know.
        """
        training = _training()
        artifact = self._fitted()
        rows = _text_rows(texts)
        names = [_as_kept(label) for label in _label_names(labels)[0]]
        if len(rows) != len(names):
            raise InputError(f"There are {len(rows):,} texts and {len(names):,} labels; expected one label a text.")
        targets = training.Targets.from_labels(names, known=artifact.decision.labels)
        if targets.kind != artifact.decision.kind:
            raise InputError(
                f"The labels are {_KINDS[targets.kind]}, but the model is {_KINDS[artifact.decision.kind]}. "
                "Give the labels in the form that the model was trained with."
            )
        confidences = artifact.decision.probabilities(self._embed(rows, self._runtime))
        metrics = training.score(targets, confidences, artifact.decision.matrix(confidences))
        frozen = None
        if compare and (runtime := self._frozen_runtime()) is not None:
            before = artifact.frozen.probabilities(self._embed(rows, runtime))
            frozen = training.score(targets, before, artifact.frozen.matrix(before))
        report: Evaluation = training.Evaluation(metrics, frozen)
        return report

    def score(self, texts: Iterable[str], labels: Labels) -> float:
        """Share of texts whose answer is right (multilabel: in every label), as scikit-learn has it."""
        return self.evaluate(texts, labels, compare=False).metrics.subset_accuracy

    @property
    def classes_(self) -> np.ndarray:
        """The labels, in the order of the columns of `predict_proba`."""
        labels = self._fitted().decision.labels
        return np.arange(len(labels)) if self._indicator else np.array(labels, dtype=object)

    @property
    def warnings_(self) -> list[str]:
        """What was doubtful in the training data."""
        return list(self._fitted().manifest.warnings)

    @property
    def manifest_(self) -> Manifest:
        """Everything that is known about the model: labels, base, settings, metrics."""
        return self._fitted().manifest

    @property
    def decision_(self) -> Decision:
        """What makes answers of confidences: head, calibration, thresholds."""
        return self._fitted().decision

    # Keeping ------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, slim: bool = False) -> None:
        """Writes the model to a folder, whole or not at all; an older model there is replaced.

        The folder also holds what a plain install needs to classify. With `slim`, the base's trunk is
        left out and put into fewfit's cache folder instead, once for all models on that base.
        """
        self._make_portable()
        artifact = self._fitted()
        if slim and artifact.portable is not None:
            artifact = replace(artifact, portable=artifact.portable.keep_trunk())
        write_artifact(folder, artifact)

    @classmethod
    def load(cls, folder: str | Path, *, base: str | Path | None = None, device: str = "auto") -> Self:
        """Reads a saved model; classifying with it needs nothing but the plain install.

        With `device` or `base` given, torch computes, on that device and with the base's weights from
        there. Raises ArtifactError where the folder is not whole or the base is not the one it was
        trained on.
        """
        artifact = read_artifact(folder)
        manifest = artifact.manifest
        settings = manifest.training
        classifier = cls(
            base=manifest.base.source if base is None else base,
            effort=settings.get("effort") or "balanced",
            seed=settings.get("seed", 0),
            max_length=manifest.max_length,
            clean=manifest.clean,
            device=device,
        )
        classifier._artifact = artifact
        classifier._indicator = bool(settings.get("indicator", False))
        classifier._probe_texts = []
        if artifact.portable is not None and base is None and device == "auto":
            classifier._runtime = EngineRuntime(ModelLoader().load(artifact))
            return classifier
        encoder = classifier._own_encoder()
        trunk, tail = encoder.split(manifest.base.tail_layers)
        _load_tail(tail, artifact.tail)
        classifier._runtime = _torch_runtime(trunk, tail, encoder, manifest.max_length)
        return classifier

    # scikit-learn -------------------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's parameters."""
        del deep
        return {name: getattr(self, name) for name in _PARAMETERS}

    def set_params(self, **params: Any) -> Self:
        """Changes parameters; they count from the next `fit` on."""
        for name, value in params.items():
            if name not in _PARAMETERS:
                raise ValueError(f"Classifier has no parameter {name!r}; it has {', '.join(_PARAMETERS)}.")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks an estimator about itself; imports scikit-learn, which is asking."""
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True, one_d_labels=True),
            classifier_tags=ClassifierTags(multi_label=True),
            input_tags=InputTags(one_d_array=True, two_d_array=False, string=True),
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Whether fit or load has been called."""
        return hasattr(self, "_artifact")

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items() if value is not None)
        return f"Classifier({given})"

    # Inside -------------------------------------------------------------------------------------

    def _fitted(self) -> Artifact:
        if not hasattr(self, "_artifact"):
            raise NotFittedError
        return self._artifact

    def _embed(self, texts: Iterable[str], runtime: Runtime) -> np.ndarray:
        rows = _text_rows(texts)
        if self._fitted().manifest.clean:
            rows = [clean_text(text) for text in rows]
        return runtime.embed(rows)

    def _encoder(self) -> Any:
        _training()
        from fewfit.encoders.encoder import Encoder

        _check_device(self.device)
        return Encoder.load(self.base, device=self.device)

    def _own_encoder(self) -> Any:
        """The encoder of the model's base, checked to be the one it was trained on."""
        if not hasattr(self, "_encoder_"):
            encoder = self._encoder()
            reference = self._fitted().manifest.base
            if encoder.weights.digest != reference.digest:
                raise ArtifactError(
                    f"The model was trained on the base {reference.name} with digest {reference.digest[:12]}..., "
                    f"but {self.base} has {encoder.weights.digest[:12]}.... "
                    "Give the right weights with Classifier.load(folder, base=...)."
                )
            self._encoder_ = encoder
        return self._encoder_

    def _frozen_runtime(self) -> Runtime | None:
        """The untuned base, or None where its weights are not at hand."""
        try:
            encoder = self._own_encoder()
        except (BaseError, ArtifactError) as error:
            logger.info("There is no comparison with the frozen base: %s", error)
            return None
        trunk, tail = encoder.split(0)
        return _torch_runtime(trunk, tail, encoder, self._fitted().manifest.max_length)

    def _make_portable(self) -> None:
        """Adds what a plain install needs to classify, once after each fit."""
        artifact = self._fitted()
        if artifact.portable is not None:
            return
        try:
            from fewfit.serving.preparing import make_portable

            self._artifact = make_portable(
                artifact, self._own_encoder(), lambda texts: self._embed(texts, self._runtime), self._probe_texts
            )
        except ImportError as error:
            raise MissingExtraError(
                f"Saving a trained model needs packages that the plain install leaves out ({error.name} is missing). "
                'Install them with: pip install "fewfit[train]"'
            ) from error


# How many training texts are kept to make texts from on which the saved form is compared with the trained one.
_MOST_PROBE_TEXTS = 200
# The largest seed, as scikit-learn has it.
_LARGEST = 2**32 - 1
_PARAMETERS = ("base", "effort", "seed", "max_length", "clean", "device", "settings")
_KINDS = {"single": "single-label (one string a text)", "multi": "multilabel (a list of strings a text)"}


def _training() -> Any:
    try:
        import fewfit.training as training
    except ImportError as error:
        raise MissingExtraError(
            f"Training needs packages that the plain install leaves out ({error.name} is missing). "
            'Install them with: pip install "fewfit[train]"'
        ) from error
    return training


def _lenient() -> Any:
    from fewfit.data import Requirements

    return Requirements(strict=False)


def _torch_runtime(trunk: Any, tail: Any, encoder: Any, max_length: int) -> Runtime:
    from fewfit.serving.torch_runtime import TorchRuntime

    return TorchRuntime(trunk, tail, encoder.tokenizer, max_length=max_length, device=encoder.device)


def _load_tail(tail: Any, arrays: Mapping[str, np.ndarray]) -> None:
    import torch

    try:
        tail.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    except RuntimeError as error:
        raise ArtifactError(f"The tail does not fit the base: {error}") from error


def _whole(name: str, value: Any, largest: int) -> int:
    """A parameter that is a whole number from 0 on; those of numpy become Python's, which JSON can hold."""
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number <= largest:
        raise InputError(f"{name} is {value!r}; expected a whole number from 0 to {largest:,}.")
    return number


def _check_device(device: str) -> None:
    if device == "auto":
        return
    import torch

    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"device is {device!r}, which torch cannot use here: {reason}. Give 'auto' or 'cpu'."
        ) from error


def _text_rows(texts: Iterable[str]) -> list[str]:
    rows = _listed("texts", texts)
    for number, text in enumerate(rows, start=1):
        if not isinstance(text, str):
            raise InputError(f"Row {number} has {text!r} ({type(text).__name__}); expected a string.")
    return [str(text) for text in rows]


def _labelled(texts: Iterable[str], names: list[Any]) -> tuple[Dataset, Report]:
    """The rows that are in order, and what is wrong with the others."""
    rows = _listed("texts", texts)
    if len(rows) != len(names):
        raise InputError(f"There are {len(rows):,} texts and {len(names):,} labels; expected one label a text.")
    return read_dataset((rows, names))


def _listed(what: str, values: Any) -> list[Any]:
    if isinstance(values, str | bytes):
        raise InputError(f"Got one string; expected a list of {what}. For one text, give a list with one string.")
    if isinstance(values, Mapping) or not isinstance(values, Iterable):
        raise InputError(f"The {what} are a {type(values).__name__}; expected a list with one entry a text.")
    return list(values)


def _label_names(labels: Labels) -> tuple[list[Any], list[str] | None]:
    """Labels as they were given, or of an indicator matrix as lists of column numbers, with all of these."""
    matrix = _matrix(labels)
    if matrix is None:
        return _listed("labels", labels), None
    if not np.isin(matrix, (0, 1)).all():
        raise InputError("An indicator matrix holds only 0 and 1; this one holds other values too.")
    width = len(str(max(0, matrix.shape[1] - 1)))
    columns = [str(column).zfill(width) for column in range(matrix.shape[1])]
    return [[columns[column] for column in np.flatnonzero(row)] for row in matrix], columns


def _matrix(labels: Any) -> np.ndarray | None:
    """An indicator matrix: an array, sparse or not, a DataFrame, or lists of 0 and 1 that are equally long."""
    if hasattr(labels, "toarray"):
        return np.asarray(labels.toarray())
    if getattr(labels, "ndim", None) == 2:
        return np.asarray(labels)
    if not isinstance(labels, list | tuple):
        return None
    widths = {len(row) if isinstance(row, list | tuple) else 0 for row in labels}
    if len(widths) != 1 or max(widths) < 2:
        return None
    # Label lists hold strings; the numbers 0 and 1 in lists of one length are how scikit-learn writes a matrix.
    cells = (cell for row in labels for cell in row)
    return np.asarray(labels) if all(isinstance(cell, int | np.integer) and cell in (0, 1) for cell in cells) else None


def _as_kept(label: Any) -> Any:
    """A label as reading the training data leaves it: without white space around it, a number as a string."""
    if isinstance(label, str):
        return label.strip()
    if isinstance(label, int | np.integer) and not isinstance(label, bool):
        return str(label)
    if isinstance(label, list | tuple | set | frozenset):
        return [_as_kept(name) for name in label]
    return label


def _library_versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            logger.debug("%s is not installed", name)
    return found
