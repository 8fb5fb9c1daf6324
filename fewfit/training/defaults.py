"""What a training job uses where its settings leave it open: depth of the tail, steps and learning rate."""

from fewfit.decision import Kind
from fewfit.encoders.encoder import Encoder
from fewfit.errors import InputError
from fewfit.training.settings import TrainingSettings
from fewfit.training.targets import Targets

# 30 steps of 32 texts: 20 lost 3 points on TREC at 8 a label, 45 and 60 gained nothing. With 64 texts a label, 60 gain
# 0.8 points (5 tasks, most of it with two labels); with 32 a label they still lose 1 where there are more labels.
LEAST_STEPS, MOST_STEPS_BY_LABEL = 30, 60
PASSES = 4
# All layers in so many steps, where settings ask for them: 1.7 points, as many steps of four layers 0.4 (64 a label,
# two tasks with two labels, english-small). Not measured with twelve layers, which take twice as long.
STEPS_OF_ALL_LAYERS = 240
MOST_OF_ALL_LAYERS = 6
# 1e-4 at 384 wide (english-small). At 768 wide (english), 5e-5 was better than 1e-4 on Rotten Tomatoes, 40 examples
# (84.3 and 82.8, one sample: a direction, not a result).
LEARNING_RATE_TIMES_WIDTH = 1e-4 * 384
# Twice that with several labels a text: 1.7 points of macro F1 more at 100 rows of nlupp_banking and xed
# (english-small, 4 samples). With one label a text it cost 0.8 points (5 tasks at 8 a label, 9 samples).
MULTILABEL_LEARNING_RATE_FACTOR = 2.0
# Where attention alone is tuned it is more. With one label a text, 2e-4 whatever the width: at 384 wide 1e-4 lost 3
# points and 3e-4 gained none that is sure (14 samples of 5 tasks). For several, benchmarks/README.md.
ATTENTION_LEARNING_RATE = 2e-4
ATTENTION_MULTILABEL_LEARNING_RATE_FACTOR = 12.0
LORA_RANK, MULTILABEL_LORA_RANK = 32, 64
# In wider bases all weights of the tail are tuned: at 768 wide (english), attention alone lost 2.5 points on 40 reviews
# of Rotten Tomatoes (8 samples; none on 8 of four other tasks). At 384 wide it lost nothing.
WIDEST_LOW_RANK = 512


def tunes_all_layers(encoder: Encoder, targets: Targets, settings: TrainingSettings) -> bool:
    """Whether depth and steps are those of all layers by default: two labels with many texts, a small low-rank tail."""
    if settings.all_layers_from is None or targets.kind != "single" or targets.n_labels != 2:
        return False
    if encoder.config.n_layers > MOST_OF_ALL_LAYERS or lora_rank_for(encoder, targets.kind, settings) is None:
        return False
    return len(targets) >= settings.all_layers_from * targets.n_labels


def tail_layers_for(encoder: Encoder, settings: TrainingSettings, *, all_layers: bool = False) -> int:
    """The wanted depth of the tail, else `all_layers`, else the known base's own, else half the layers.

    Raises InputError for more layers than the base has.
    """
    config, base = encoder.config, encoder.weights.base
    if settings.tail_layers is not None:
        if settings.tail_layers > config.n_layers:
            raise InputError(
                f"tail_layers is {settings.tail_layers}; the base {encoder.weights.name} has {config.n_layers} layers."
            )
        return settings.tail_layers
    if all_layers or not config.splittable:
        return config.n_layers
    return base.tail_layers if base is not None else -(-config.n_layers // 2)


def lora_rank_for(encoder: Encoder, kind: Kind, settings: TrainingSettings) -> int | None:
    """The rank of the change that is kept of a tail; None where all of its weights are tuned and kept."""
    too_wide = settings.lora_rank is None and encoder.config.hidden_size > WIDEST_LOW_RANK
    if settings.lora_rank == 0 or too_wide or not encoder.has_low_rank_form:
        return None
    return settings.lora_rank or (MULTILABEL_LORA_RANK if kind == "multi" else LORA_RANK)


def learning_rate_for(encoder: Encoder, kind: Kind, settings: TrainingSettings) -> float:
    """The wanted peak learning rate, else what suits the kind of labels, the base's width and what is tuned."""
    if settings.learning_rate is not None:
        return settings.learning_rate
    tunes_all = lora_rank_for(encoder, kind, settings) is None
    if kind == "single" and not tunes_all:
        return ATTENTION_LEARNING_RATE
    factor = 1.0
    if kind == "multi":
        factor = MULTILABEL_LEARNING_RATE_FACTOR if tunes_all else ATTENTION_MULTILABEL_LEARNING_RATE_FACTOR
    return factor * LEARNING_RATE_TIMES_WIDTH / encoder.config.hidden_size


def steps_for(n_texts: int, n_labels: int, settings: TrainingSettings, *, all_layers: bool = False) -> int:
    """The wanted tuning steps; else one for each text that a label has, 30 to 60, and at least four times each text.

    Where `all_layers` are tuned by default they are at least 240.
    """
    by_label = min(MOST_STEPS_BY_LABEL, n_texts // n_labels)
    least = STEPS_OF_ALL_LAYERS if all_layers else LEAST_STEPS
    return settings.steps or max(least, by_label, -(-PASSES * n_texts // settings.batch_size))
