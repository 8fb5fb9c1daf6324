import numpy as np

from fewfit.data import Dataset, Example
from fewfit.data.quality import check_quality
from fewfit.data.suspects import HeldOutAnswers

LABELS = ("billing", "delivery", "refund")


def _data(labels: list[str], texts: list[str] | None = None) -> Dataset:
    texts = texts or [f"text {number}" for number in range(len(labels))]
    return Dataset(
        tuple(Example(t, (x,), row) for row, (t, x) in enumerate(zip(texts, labels, strict=True), 2)), "single"
    )


def _answers(given: list[str]) -> HeldOutAnswers:
    matrix = np.array([[label == name for name in LABELS] for label in given])
    return HeldOutAnswers(LABELS, 0.2 + 0.4 * matrix, matrix)


def _embeddings(n: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 32))


def test_labels_that_are_taken_for_each_other_are_named_with_their_rows() -> None:
    truth = ["billing"] * 10 + ["delivery"] * 10 + ["refund"] * 10
    given = ["refund"] * 4 + ["billing"] * 6 + ["delivery"] * 10 + ["billing"] * 3 + ["refund"] * 7
    report = check_quality(_data(truth), answers=_answers(given)).report
    (found,) = [finding for finding in report if finding.code == "confused_labels"]
    assert found.labels == ("billing", "refund")
    assert found.rows == (2, 3, 4, 5, 22, 23, 24)
    assert "35%" in found.message


def test_the_labels_recognised_worst_come_first() -> None:
    truth = ["billing"] * 10 + ["delivery"] * 10 + ["refund"] * 4
    given = ["billing"] * 10 + ["delivery"] * 5 + ["billing"] * 5 + ["delivery"] * 3 + ["refund"]
    report = check_quality(_data(truth), answers=_answers(given)).report
    (found,) = [finding for finding in report if finding.code == "weak_label"]
    assert found.labels == ("refund", "delivery")
    assert "'refund' (F1 40%, 4 examples)" in found.message


def test_near_copies_with_other_labels_are_conflicts_and_exact_ones_are_not_told_twice() -> None:
    texts = [f"text {number}" for number in range(20)]
    texts[3] = texts[4]  # to the letter: `validate` tells
    labels = ["billing", "delivery"] * 10
    embeddings = _embeddings(20)
    embeddings[3] = embeddings[4]
    embeddings[10] = embeddings[15] + 0.01
    embeddings[0] = embeddings[2] + 0.01  # nearly the same with the same label is fine
    quality = check_quality(_data(labels, texts), embeddings=embeddings)
    (found,) = quality.report.findings
    assert found.code == "near_conflict"
    assert found.rows == (12, 17)
    assert quality.conflicts == (5, 6, 12, 17)


def test_leaks_are_found_to_the_letter_and_nearly() -> None:
    data = _data(["billing", "delivery"] * 10)
    evaluation = Dataset(
        (Example("TEXT  3", ("billing",), 2), Example("another", ("billing",), 3), Example("new", ("billing",), 4)),
        "single",
    )
    embeddings, others = _embeddings(20), np.random.default_rng(5).normal(size=(3, 32))
    others[0], others[1] = embeddings[3], embeddings[8] + 0.01
    quality = check_quality(data, embeddings=embeddings, evaluation=evaluation, evaluation_embeddings=others)
    rows = {finding.code: finding.rows for finding in quality.report}
    assert rows == {"leaked_text": (2,), "near_leak": (3,)}
    assert quality.leaks == (5, 10)
    assert quality.to_dict()["leaks"] == [5, 10]


def test_what_is_not_given_is_not_looked_at() -> None:
    assert check_quality(_data(["billing"] * 5)).report.findings == ()
