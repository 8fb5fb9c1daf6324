"""What models say of labelled texts that they have not seen, to find out which labels are wrong."""

from collections.abc import Sequence
from dataclasses import replace

from fewfit.data import LongTexts
from fewfit.encoders.encoder import Encoder
from fewfit.encoders.windows import MOST_WINDOWS
from fewfit.training.cross_validation import cross_validated_heads
from fewfit.training.events import Progress
from fewfit.training.insight import Insight
from fewfit.training.settings import TrainingSettings
from fewfit.training.targets import Targets
from fewfit.training.trainer import cross_validate

# Each text is judged by models that had three quarters of the others: with half of them (2 folds) the models are
# worse, with more folds there are more of them to tune.
THOROUGH_FOLDS = 4


def held_out_answers(
    encoder: Encoder,
    texts: Sequence[str],
    targets: Targets,
    *,
    thorough: bool = False,
    seed: int = 0,
    max_length: int | None = None,
    long_texts: LongTexts = "auto",
    progress: Progress | None = None,
) -> Insight:
    """Answers to each text by models that had not seen it.

    Heads on the base as it is, which takes seconds; `thorough` tunes models, which takes about as long as
    training with effort "thorough" and finds more. Texts that are too long are read in windows, unless `long_texts`
    is "cut"; with "auto", tuned models decide as in training.
    """
    if thorough:
        settings = replace(TrainingSettings(), n_folds=THOROUGH_FOLDS)
        return cross_validate(
            encoder,
            texts,
            targets,
            settings,
            seed=seed,
            max_length=max_length,
            long_texts=long_texts,
            progress=progress,
        )
    embeddings = encoder.embed(texts, max_length=max_length, windows=1 if long_texts == "cut" else MOST_WINDOWS)
    return Insight(texts, targets, embeddings, cross_validated_heads(embeddings, targets, texts, seed=seed), False)
