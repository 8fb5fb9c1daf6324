import numpy as np
from sklearn.metrics import confusion_matrix

from fewfit.training.mistakes import confusion, worst_mistakes
from fewfit.training.targets import Targets

from .answers import answered, single


def test_confusion_is_that_of_scikit_learn() -> None:
    targets, confidences = single(60)
    given = answered(targets, confidences)
    assert confusion(targets, given) == confusion_matrix(targets.index, given.argmax(axis=1)).tolist()


def test_the_surest_wrong_answers_come_first() -> None:
    targets, confidences = single(60, n_labels=2)
    given = answered(targets, confidences)
    texts = [f"text {row}" for row in range(60)]
    wrong = [row for row in range(60) if given[row].argmax() != targets.index[row]]
    found = worst_mistakes(targets, confidences, given, texts, shown=5)
    assert len(found) == 5 < len(wrong)
    assert [mistake.confidence for mistake in found] == sorted((confidences[row].max() for row in wrong), reverse=True)[
        :5
    ]
    first = found[0]
    assert first.text == texts[first.position]
    assert first.labels != first.predictions
    assert first.to_dict()["labels"] == [targets.labels[targets.index[first.position]]]


def test_a_multilabel_mistake_counts_what_is_missing_too() -> None:
    truth = np.array([[True, False], [True, False], [False, False]])
    confidences = np.array([[0.05, 0.3], [0.9, 0.6], [0.2, 0.1]])
    given = confidences >= 0.5
    found = worst_mistakes(Targets("multi", ("a", "b"), truth), confidences, given, ["x", "y", "z"])
    assert [(m.text, m.labels, m.predictions) for m in found] == [("x", ("a",), ()), ("y", ("a",), ("a", "b"))]
    assert [round(m.confidence, 2) for m in found] == [0.95, 0.6]
