"""What the user holds: a text classifier that fits, predicts, evaluates, saves and loads."""

import logging
import operator
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from fewfit.artifact import Artifact, read_artifact, write_artifact
from fewfit.classifier import with_torch
from fewfit.classifier.answering import Answering
from fewfit.classifier.groups import label_groups
from fewfit.classifier.inputs import Labels, label_names, labelled, one_of, text_rows, whole_number
from fewfit.classifier.making import make_artifact
from fewfit.classifier.paths import check_paths
from fewfit.classifier.rejecting import check_rejection
from fewfit.classifier.updating import Update, updated
from fewfit.classifier.weights import ClassWeight, by_column, kept_weights, label_weights
from fewfit.data import (
    FINDING_CODES,
    Dataset,
    Finding,
    LongTexts,
    Report,
    Requirements,
    check_conflicts,
    check_spellings,
    clean_text,
    drop_duplicates,
    new_texts,
    validate,
)
from fewfit.data.report import counted
from fewfit.encoders.windows import MOST_WINDOWS
from fewfit.errors import ArtifactError, BaseError, InputError, MissingExtraError
from fewfit.serving.engine_runtime import EngineRuntime

if TYPE_CHECKING:
    from fewfit.data.quality import Quality
    from fewfit.encoders.encoder import Encoder
    from fewfit.serving.runtime import Runtime
    from fewfit.training import Effort, EventSink, TrainingSettings
    from fewfit.training.distilling import FastReport

logger = logging.getLogger(__name__)

# How many training texts are kept to make texts from on which the saved form is compared with the trained one.
_MOST_PROBE_TEXTS = 200
_KINDS = {"single": "single-label (one string a text)", "multi": "multilabel (a list of strings a text)"}


class Classifier(Answering):
    """A text classifier, fine-tuned from a few dozen examples.

    >>> from fewfit import Classifier
    >>> clf = Classifier(base="english-small", seed=0)  # doctest: +SKIP
    >>> clf.fit(texts, labels)  # doctest: +SKIP
    >>> clf.predict(["my card was charged twice"])  # doctest: +SKIP
    ['billing']

    `base` is a name from `fewfit bases`, a Hugging Face id or a folder. `effort` is how much time
    training may take ("quick", "balanced", "thorough"); `settings` gives every knob instead. `max_length`
    is how many tokens of a text are read at once (None: as many as the base reads by default). `long_texts` says what
    becomes of longer ones: "cut", read in several "windows", or whichever answers held-out texts better ("auto";
    with effort "quick" nothing is held out, and they are cut). `clean` strips
    markup and URLs, when training and when classifying. `device` is a torch device or "auto". `class_weight`
    is how much labels count in the head: "balanced", None (as often as they occur) or a weight a label.
    `reject` is the share of ordinary texts that may be rejected so that texts unlike all training texts are,
    too (0.05: one in 20; None: every text gets a label).
    `path_separator` says that labels are paths ("billing > refund" with " > "): see `predict` and `path_tree_`.
    `group_separator` says that labels are in groups of which one applies each ("topic: billing" with ": "): every text
    has a list with one label of each, and gets one.
    `keep_examples` keeps training texts and their embeddings in the model, for `update` and `explain`.

    scikit-learn's conventions hold: parameters are kept as given, fitted attributes end in an underscore,
    and it works in `cross_val_score` and `GridSearchCV`. Labels are strings (single-label), lists of
    strings (multilabel, possibly empty) or an indicator matrix (n_texts, n_labels; then predictions are
    one too, and `classes_` are its column numbers).
    """

    _parameters = (
        "base",
        "effort",
        "seed",
        "max_length",
        "long_texts",
        "clean",
        "device",
        "class_weight",
        "reject",
        "path_separator",
        "group_separator",
        "keep_examples",
        "settings",
    )
    _settings: "TrainingSettings | None"
    _kept: Mapping[str, Any] | None = None  # the settings of a loaded model
    _fitted_state = ("_artifact", "_indicator", "_probe_texts", "_with_torch", "_insight")

    def __init__(
        self,
        base: str | Path = "multilingual",
        *,
        effort: "Effort" = "balanced",
        seed: int = 0,
        max_length: int | None = None,
        long_texts: LongTexts = "auto",
        clean: bool = False,
        device: str = "auto",
        class_weight: ClassWeight = "balanced",
        reject: float | None = None,
        path_separator: str | None = None,
        group_separator: str | None = None,
        keep_examples: bool = True,
        settings: "TrainingSettings | None" = None,
    ) -> None:
        self.base = base
        self.effort = effort
        self.seed = seed
        self.max_length = max_length
        self.long_texts = long_texts
        self.clean = clean
        self.device = device
        self.class_weight = class_weight
        self.reject = reject
        self.path_separator = path_separator
        self.group_separator = group_separator
        self.keep_examples = keep_examples
        self.settings = settings

    @property
    def settings(self) -> "TrainingSettings | None":
        """Every knob of training, where they were given; also those of a loaded model that was trained with them."""
        if self._kept is not None:  # made when asked for, since it imports torch
            self.settings = _kept_settings(self._kept)
        return self._settings

    @settings.setter
    def settings(self, settings: "TrainingSettings | None") -> None:
        self._settings, self._kept = settings, None

    # Fitting ------------------------------------------------------------------------------------

    def fit(
        self,
        texts: Iterable[str],
        labels: Labels,
        *,
        unlabelled: Iterable[str] | None = None,
        on_event: "EventSink | None" = None,
        cancel: threading.Event | None = None,
        report: Report | None = None,
    ) -> Self:
        """Fine-tunes on labelled texts and returns the classifier itself.

        `unlabelled` are texts such as it will be asked, without labels: those that a first model is surest of are
        learnt from, too, where that helps on held-out texts. Some hundred are enough; of more than a thousand, as many
        are drawn. It takes twice the time, and needs one label a text.

        `on_event` is called with an `Event` as work goes on; setting `cancel` from another thread ends it
        with Cancelled, and the classifier stays as it was. What is doubtful in the data is logged and kept
        in `warnings_`. Raises DataError with everything that is wrong, by row, where data cannot be used;
        fewer than 2 labels or no texts at all are refused, smaller things are warned about. Who has checked
        the data already, in its own rows, hands in the `report`: it is kept, and nothing is checked again.
        """
        training = with_torch.training()
        seed = whole_number("seed", self.seed)
        one_of("long_texts", self.long_texts, get_args(LongTexts))
        by_effort = training.TrainingSettings.for_effort(self.effort)
        settings = by_effort if self.settings is None else self.settings
        if not isinstance(settings, training.TrainingSettings):
            raise InputError(f"settings is {settings!r}; expected TrainingSettings, or None for those of `effort`.")
        names, columns = label_names(labels)
        dataset, found = labelled(texts, names)
        found.raise_for_errors()
        _check_not_empty(dataset, found)
        targets = training.Targets.from_labels(dataset.targets, known=columns)
        groups = label_groups(self.group_separator, targets.kind, targets.labels, targets.matrix, dataset.rows)
        class_weight = self.class_weight
        if columns is not None and isinstance(class_weight, Mapping):
            class_weight = by_column(class_weight, columns)
        targets = replace(targets, weights=label_weights(class_weight, targets.labels), groups=groups)
        if self.path_separator is not None:
            check_paths(self.path_separator, targets.kind, targets.labels)
        check_rejection(self.reject, targets.kind, len(dataset), settings)
        others = [] if unlabelled is None else text_rows(unlabelled)
        if others and targets.kind == "multi":
            raise InputError("Unlabelled texts are learnt from in single-label models only; leave out `unlabelled`.")
        encoder = with_torch.load_encoder(self.base, self.device)
        max_length = self._read_at_once(encoder)
        if self.clean:
            dataset = dataset.with_examples(replace(e, text=clean_text(e.text)) for e in dataset.examples)
            others = [clean_text(text) for text in others]
        read = dataset.texts
        n_given = len(others)
        others = new_texts(others, known=read)
        if n_given and not others:
            logger.warning(
                "No unlabelled text is learnt from: %s, and each is empty or a training text.",
                counted(n_given, "text was given", "texts were given"),
            )
        if report is None:
            report = self._checked(dataset, found, encoder, max_length, settings)
        report.raise_for_errors()
        progress = training.Progress(on_event, cancel)
        trained = training.train(
            encoder,
            read,
            targets,
            settings,
            unlabelled=others,
            seed=seed,
            max_length=max_length,
            long_texts=self.long_texts,
            progress=progress,
        )
        trained = replace(trained, insight=replace(trained.insight, rows=dataset.rows))
        if self.reject is not None:
            rejection = training.fit_rejection(self.reject, trained.likeness, trained.embeddings, targets)
            trained = replace(trained, decision=replace(trained.decision, rejection=rejection))
        artifact = make_artifact(
            trained,
            encoder,
            targets,
            source=str(self.base),
            max_length=max_length,
            clean=self.clean,
            training={
                "seed": seed,
                "effort": None if self.settings else self.effort,
                "settings": asdict(settings),
                "class_weight": kept_weights(class_weight),
                "long_texts": self.long_texts,
                "reject": self.reject,
                "path_separator": self.path_separator,
                "group_separator": self.group_separator,
                "indicator": columns is not None,
                "n_unlabelled": len(others),
            },
            warnings=[_kept_warning(finding, quoting=self.keep_examples) for finding in report.warnings],
            texts=read if self.keep_examples else None,
        )
        runtime: Runtime = with_torch.torch_runtime(encoder, trained.tail_layers, artifact.tail, artifact.manifest)
        probe_texts = read[:_MOST_PROBE_TEXTS]
        if self.device == "auto" and encoder.device.type == "cpu":
            progress.report("Preparing fast answers")
            artifact, runtime = _with_fast_answers(artifact, encoder, runtime, probe_texts)
        self._artifact = artifact
        self._encoder_ = encoder
        self._runtime_ = runtime
        self._with_torch = artifact.portable is None
        self._probe_texts = probe_texts
        self._indicator = columns is not None
        self._insight = trained.insight
        return self

    def _checked(
        self, dataset: Dataset, found: Report, encoder: "Encoder", max_length: int, settings: "TrainingSettings"
    ) -> Report:
        """What was found and what else is wrong or doubtful in texts to train on; what is doubtful is logged."""
        checked = validate(
            dataset,
            requirements=Requirements(strict=False),
            count_tokens=encoder.tokenizer.count,
            max_tokens=max_length,
            long_texts=self.long_texts if settings.n_folds or self.long_texts != "auto" else "cut",
            most_windows=MOST_WINDOWS,
            base=encoder.weights.name,
        )
        report = found.merge(checked)
        for finding in report.warnings:
            logger.warning("%s", finding.message)
        return report

    def update(self, texts: Iterable[str], labels: Labels) -> Update:
        """Takes in more examples, of the labels that are there or of new ones, in seconds.

        The head is fitted again on the kept examples and the new ones; the encoder stays as it was tuned. A
        text that the model has already is replaced, so corrections can be given. Columns of new labels come
        after the old ones. What comes back says how the new texts were answered before and after, and
        whether training again pays. Raises InputError for a model that keeps no examples.
        """
        artifact = self._fitted()
        names, columns = label_names(labels)
        self._check_width(columns)
        dataset, found = labelled(texts, names)
        found.raise_for_errors()
        for finding in found.warnings:
            logger.warning("%s", finding.message)
        _check_not_empty(dataset, found)
        given = {example.row: example.text for example in dataset.examples}
        if artifact.manifest.clean:
            dataset = dataset.with_examples(replace(e, text=clean_text(e.text)) for e in dataset.examples)
        dataset = drop_duplicates(dataset)
        for finding in check_conflicts(dataset).merge(check_spellings(dataset, artifact.decision.labels)):
            logger.warning("%s", finding.message)
        # What embeds cleans texts itself, and cleaning twice takes more: "&lt;b&gt;" is "<b>", then nothing.
        embeddings = self._runtime().embed([given[row] for row in dataset.rows])
        self._artifact, update = updated(artifact, dataset.texts, dataset.targets, embeddings, dataset.rows)
        if not self._with_torch and (
            artifact.fast is not None or self._artifact.manifest.serving != artifact.manifest.serving
        ):
            self._runtime_ = EngineRuntime(self._artifact)  # another precision may serve now, and no fast tier
        vars(self).pop("_insight", None)  # it was about the examples that were there before
        for reason in update.reasons:
            logger.warning("Training again is likely to pay: %s", reason)
        return update

    def check(
        self,
        texts: Iterable[str],
        labels: Labels,
        *,
        eval: tuple[Iterable[str], Labels] | None = None,  # noqa: A002 - as the option of `fewfit train` is called
        thorough: bool = False,
    ) -> "Quality":
        """What is wrong or doubtful in labelled texts, with row, reason and what to do; nothing is trained.

        Beside what `fit` warns about: labels that are likely to be wrong (`suspects`), texts that are nearly the
        same with different labels, labels that cannot be told apart or need more examples, and with `eval`, a pair
        of texts and labels, texts that are in both. It takes seconds; `thorough` tunes models to judge by, which
        takes minutes and finds more.
        """
        with_torch.training()
        from fewfit.classifier.checking import check_texts

        encoder = with_torch.load_encoder(self.base, self.device)
        length = self._read_at_once(encoder)
        one_of("long_texts", self.long_texts, get_args(LongTexts))
        seed = whole_number("seed", self.seed)
        options = {"thorough": thorough, "seed": seed, "max_length": length, "long_texts": self.long_texts}
        return check_texts(encoder, texts, labels, eval, clean=self.clean, **options)

    def distil(
        self,
        unlabelled: Iterable[str],
        *,
        max_disagreement: float = 0.01,
        on_event: "EventSink | None" = None,
        cancel: threading.Event | None = None,
    ) -> "FastReport":
        """Gives the model a fast tier, taught on texts such as it will be asked; `speed="fast"` then uses it.

        The tier answers what it is sure of, many thousand texts a second, and leaves the others to the model.
        It is switched on only where, with 95 % confidence, it changes the answers of at most
        `max_disagreement` of all texts; the report says whether, and shows the curve. Needs at least 300
        different unlabelled texts that the model was not trained on, and the training extra. The first time
        for a base takes up to some minutes. Setting `cancel` ends it with Cancelled; the model then stays
        as it was.
        """
        from fewfit.classifier.distilling import distilled

        progress = with_torch.training().Progress(on_event, cancel)
        self._make_portable()
        texts = text_rows(unlabelled)
        artifact, report = distilled(
            self._fitted(), self._own_encoder, texts, max_disagreement=max_disagreement, progress=progress
        )
        self._artifact = artifact
        if not self._with_torch:
            self._runtime_ = EngineRuntime(artifact)
        if not report.enabled:
            logger.warning("No fast tier: %s", report.reason)
        return report

    def _read_at_once(self, encoder: "Encoder") -> int:
        """How many tokens of a text are read at once. Raises InputError for what the base cannot read."""
        if self.max_length is None:
            return encoder.config.max_length
        try:
            length = operator.index(self.max_length)
        except TypeError:
            raise InputError(
                f"max_length is {self.max_length!r}; expected a whole number of tokens, or None."
            ) from None
        return encoder.tokenizer.limit(length)

    # Keeping ------------------------------------------------------------------------------------

    def save(self, folder: str | Path, *, slim: bool = False) -> None:
        """Writes the model to a folder, whole or not at all; an older model there is replaced.

        The folder also holds what a plain install needs to classify. With `slim`, the base's trunk is
        left out and put into fewfit's cache folder instead, once for all models on that base.
        """
        self._make_portable()
        artifact = self._fitted()
        if slim and artifact.portable is not None:
            artifact = replace(artifact, portable=artifact.portable.keep_shared())
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
            long_texts=settings.get("long_texts", "cut"),  # what older models did
            clean=manifest.clean,
            device=device,
            class_weight=settings.get("class_weight", "balanced"),
            reject=settings.get("reject"),
            path_separator=settings.get("path_separator"),
            group_separator=settings.get("group_separator"),
            keep_examples=artifact.examples is not None,
        )
        if "settings" in settings and settings.get("effort") is None:
            classifier._kept = dict(settings["settings"])
        classifier._artifact = artifact
        classifier._indicator = bool(settings.get("indicator", False))
        classifier._probe_texts = []
        classifier._with_torch = artifact.portable is None or base is not None or device != "auto"
        classifier._runtime()
        return classifier


def _check_not_empty(dataset: Dataset, found: Report) -> None:
    """Raises InputError where no example is left, and says what became of those that were given."""
    if not len(dataset):
        left_out = [finding.message for finding in found.warnings if finding.code == "empty_text"]
        raise InputError(" ".join(["There are no examples.", *left_out, "Give texts with their labels."]))


def _kept_warning(finding: Finding, *, quoting: bool) -> str:
    """A warning as the model keeps it: without the texts that it may quote where none are to be kept."""
    if quoting or not finding.rows:
        return finding.message
    return f"{FINDING_CODES[finding.code]} {counted(finding.count, 'row')}, the first of them: {finding.rows[0]}."


def _with_fast_answers(
    artifact: Artifact, encoder: "Encoder", runtime: "Runtime", probe_texts: Sequence[str]
) -> "tuple[Artifact, Runtime]":
    """Artifact and runtime such that what answers from now on is what answers after save and load; else as they are."""
    try:
        artifact = with_torch.portable(artifact, encoder, runtime, probe_texts)
        return artifact, EngineRuntime(artifact)
    except (BaseError, ArtifactError) as error:
        logger.warning("torch answers, which is slower: %s", error)
        return artifact, runtime


def _kept_settings(values: Mapping[str, Any]) -> "TrainingSettings | None":
    """The settings that a model was trained with, as far as this fewfit has them; None without the training extra."""
    try:
        training = with_torch.training()
    except MissingExtraError:
        return None
    known = {field.name for field in fields(training.TrainingSettings)}
    if unknown := sorted(set(values) - known):
        logger.warning("The model was trained with settings that are no longer there: %s.", ", ".join(unknown))
    return training.TrainingSettings(**{name: value for name, value in values.items() if name in known})  # type: ignore[no-any-return]
