"""What a training job uses where its settings leave it open: depth of the tail, steps and learning rate."""

from fewfit.decision import Kind
from fewfit.encoders.encoder import Encoder
from fewfit.errors import InputError
from fewfit.training.settings import TrainingSettings

# 30 steps of 32 texts: 20 lost 2 points on TREC at 8 a label, 60 gained nothing (english-small, 3 samples).
LEAST_STEPS = 30
PASSES = 4
# 1e-4 at 384 wide (english-small). At 768 wide (english), 5e-5 was better than 1e-4 on Rotten Tomatoes, 40 examples
# (84.3 and 82.8, one sample: a direction, not a result).
LEARNING_RATE_TIMES_WIDTH = 1e-4 * 384
# Twice that with several labels a text: 1.7 points of macro F1 more at 100 rows of nlupp_banking and xed
# (english-small, 4 samples). With one label a text it cost 0.8 points (5 tasks at 8 a label, 9 samples).
MULTILABEL_LEARNING_RATE_FACTOR = 2.0
# 2e-3 at 384 wide: 3e-3 was 1.8 points worse (english-small, 15 samples of 5 tasks). At 768 wide (english), 1e-3 was
# better than 2e-3 (5 of 6 samples of 3 tasks: a direction, not a result).
LORA_LEARNING_RATE_TIMES_WIDTH = 2e-3 * 384


def tail_layers_for(encoder: Encoder, settings: TrainingSettings) -> int:
    """The wanted depth of the tail, else the known base's own, else half the layers.

    Raises InputError for more layers than the base has.
    """
    config, base = encoder.config, encoder.weights.base
    if settings.tail_layers is not None:
        if settings.tail_layers > config.n_layers:
            raise InputError(
                f"tail_layers is {settings.tail_layers}; the base {encoder.weights.name} has {config.n_layers} layers."
            )
        return settings.tail_layers
    if not config.splittable:
        return config.n_layers
    return base.tail_layers if base is not None else -(-config.n_layers // 2)


def learning_rate_for(encoder: Encoder, kind: Kind, settings: TrainingSettings) -> float:
    """The wanted peak learning rate, else the less the wider the base's layers are."""
    if settings.learning_rate is not None:
        return settings.learning_rate
    times_width = LEARNING_RATE_TIMES_WIDTH if settings.lora_rank is None else LORA_LEARNING_RATE_TIMES_WIDTH
    factor = MULTILABEL_LEARNING_RATE_FACTOR if kind == "multi" else 1.0
    return times_width / encoder.config.hidden_size * factor


def steps_for(n_texts: int, settings: TrainingSettings) -> int:
    """The wanted tuning steps, else at least 30, and at least four times each text."""
    return settings.steps or max(LEAST_STEPS, -(-PASSES * n_texts // settings.batch_size))
