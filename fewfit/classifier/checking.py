"""`Classifier.check`: a look at labelled texts through the base, before anything is trained on them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from fewfit.classifier import with_torch
from fewfit.classifier.inputs import Labels, as_kept, label_names, labelled
from fewfit.data import Dataset, LongTexts, Requirements, clean_text, validate
from fewfit.data.quality import Quality, check_quality
from fewfit.encoders.windows import MOST_WINDOWS
from fewfit.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from fewfit.encoders.encoder import Encoder
    from fewfit.training import EventSink

# With fewer texts, or one label, there is nothing that a model could say of the others.
_FEWEST_TEXTS = 10


def check_labels(
    encoder: "Encoder",
    dataset: Dataset,
    *,
    evaluation: Dataset | None = None,
    thorough: bool = False,
    seed: int = 0,
    max_length: int | None = None,
    long_texts: LongTexts = "auto",
    on_event: "EventSink | None" = None,
) -> Quality:
    """Likely label errors, near copies with different labels, leakage, and labels that are hard to tell apart.

    Models that have not seen a text judge its label: heads on the base as it is, or with `thorough` models
    tuned on three quarters of the texts at a time. Texts that are too long are read in windows, unless `long_texts` is
    "cut": two that begin alike need not be copies.
    """
    training = with_torch.training()
    windows = 1 if long_texts == "cut" else MOST_WINDOWS
    held_out = None
    embeddings: np.ndarray | None = None
    if len(dataset) >= _FEWEST_TEXTS and len(dataset.label_names) > 1:
        targets = training.Targets.from_labels(dataset.targets)
        insight = training.held_out_answers(
            encoder,
            dataset.texts,
            targets,
            thorough=thorough,
            seed=seed,
            max_length=max_length,
            long_texts=long_texts,
            progress=training.Progress(on_event),
        )
        held_out, embeddings = insight.answers, insight.embeddings
    elif len(dataset):
        embeddings = encoder.embed(dataset.texts, max_length=max_length, windows=windows)
    others = None
    if evaluation is not None and len(evaluation) and embeddings is not None:
        others = encoder.embed(evaluation.texts, max_length=max_length, windows=windows)
    return check_quality(
        dataset, answers=held_out, embeddings=embeddings, evaluation=evaluation, evaluation_embeddings=others
    )


def check_texts(
    encoder: "Encoder",
    texts: Iterable[str],
    labels: Labels,
    evaluation: tuple[Iterable[str], Labels] | None,
    *,
    clean: bool,
    **options: Any,
) -> Quality:
    """`check_labels`, and everything that `validate` finds, for texts and labels as `fit` takes them."""
    dataset, found = labelled(texts, label_names(labels)[0])
    others = None
    if evaluation is not None:
        if not isinstance(evaluation, tuple | list) or len(evaluation) != 2:
            raise InputError("eval is a pair of texts and labels, as in eval=(texts, labels).")
        others, more = labelled(evaluation[0], [as_kept(label) for label in label_names(evaluation[1])[0]])
        more.raise_for_errors("eval")
    if clean:
        dataset = _cleaned(dataset)
        others = None if others is None else _cleaned(others)
    length = options.get("max_length") or encoder.config.max_length
    checked = validate(
        dataset,
        requirements=Requirements(strict=False),
        count_tokens=encoder.tokenizer.count,
        max_tokens=length,
        long_texts=options["long_texts"],
        most_windows=MOST_WINDOWS,
        base=encoder.weights.name,
    )
    quality = check_labels(encoder, dataset, evaluation=others, **options)
    report = found.merge(checked, quality.report)
    return Quality(report, quality.suspects, quality.conflicts, quality.leaks)


def _cleaned(dataset: Dataset) -> Dataset:
    return dataset.with_examples(
        type(example)(clean_text(example.text), example.labels, example.row) for example in dataset.examples
    )
