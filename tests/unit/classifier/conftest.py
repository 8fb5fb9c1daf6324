from pathlib import Path

import pytest

from fewfit import Classifier
from fewfit.training import TrainingSettings

# With dropout, which a random encoder learns better with; real ones do not gain by it (benchmarks/README.md).
CHECKED = TrainingSettings(tail_layers=2, steps=16, batch_size=64, n_folds=2, learning_rate=1e-2, dropout=0.1)
QUICK = TrainingSettings(tail_layers=1, steps=4, n_folds=0, learning_rate=1e-2)
SENTENCES = {
    "parcel": ("the parcel has not arrived", "where is my parcel", "the driver left my parcel outside"),
    "card": ("the card was charged twice", "my card is refused", "a second charge on my card"),
    "film": ("what a lovely film", "the film was slow", "the ending of the film made no sense"),
    "rain": ("it will rain in the north", "the rain is getting stronger", "rain and wind again"),
}


def labelled(*labels: str, times: int = 6, start: int = 0) -> tuple[list[str], list[str]]:
    """Made so that even a random encoder can tell the labels apart: each has a word of its own."""
    texts, names = [], []
    for number in range(start, start + times):
        for label in labels:
            for sentence in SENTENCES[label]:
                texts.append(f"{sentence} {'please tell me more'[: 3 * (number % 7)]} {number}".strip())
                names.append(label)
    return texts, names


@pytest.fixture(scope="session")
def model_folder(toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved single-label model of parcels, cards and films. Do not write into it."""
    folder = tmp_path_factory.mktemp("models") / "single"
    Classifier(base=toy_base, settings=CHECKED).fit(*labelled("parcel", "card", "film")).save(folder)
    return folder


@pytest.fixture(scope="session")
def multi_folder(toy_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved multilabel model: cards, parcels, and films without a label. Do not write into it."""
    folder = tmp_path_factory.mktemp("models") / "multi"
    texts, names = labelled("parcel", "card", "film")
    lists = [[] if name == "film" else [name] for name in names]
    Classifier(base=toy_base, settings=CHECKED).fit(texts, lists).save(folder)
    return folder
