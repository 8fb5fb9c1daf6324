from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest

from fewfit.data import Dataset, read_dataset
from fewfit.errors import InputError

SOURCES = [
    (["a", "b"], ["x", "y"]),
    (np.array(["a", "b"]), np.array(["x", "y"])),
    ((text for text in "ab"), iter("xy")),
    [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}],
    pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"]}, index=[7, 9]),
    pd.DataFrame({"text": ["a", "b"], "label": pd.Categorical(["x", "y"])}),
    datasets.Dataset.from_dict({"text": ["a", "b"], "label": ["x", "y"]}),
    datasets.Dataset.from_dict(
        {"text": ["a", "b"], "label": [0, 1]},
        features=datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["x", "y"])}),
    ),
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: type(source).__name__)
def test_single_label_sources_are_read_alike(source: Any) -> None:
    dataset, report = read_dataset(source)

    assert [(e.text, e.labels, e.row) for e in dataset.examples] == [("a", ("x",), 1), ("b", ("y",), 2)]
    assert dataset.kind == "single"
    assert len(report) == 0


MULTILABEL = [
    (["a", "b"], [["x", "y"], []]),
    (["a", "b"], [("x", "y"), ()]),
    (["a", "b"], [{"x", "y"}, set()]),
    pd.DataFrame({"text": ["a", "b"], "label": [["x", "y"], []]}),
    pd.DataFrame({"text": ["a", "b"], "label": [np.array(["x", "y"]), np.array([])]}),
    datasets.Dataset.from_dict({"text": ["a", "b"], "label": [["x", "y"], []]}),
    datasets.Dataset.from_dict(
        {"text": ["a", "b"], "label": [[0, 1], []]},
        features=datasets.Features(
            {"text": datasets.Value("string"), "label": datasets.List(datasets.ClassLabel(names=["x", "y"]))}
        ),
    ),
]


@pytest.mark.parametrize("source", MULTILABEL, ids=lambda source: type(source).__name__)
def test_multilabel_sources_are_read_alike(source: Any) -> None:
    dataset, report = read_dataset(source)

    assert dataset.targets == [["x", "y"], []]
    assert len(report) == 0


def read(source: object) -> tuple[Dataset, tuple[str, ...]]:
    dataset, report = read_dataset(source)
    return dataset, report.codes


def test_whole_numbers_are_labels_with_a_warning() -> None:
    dataset, codes = read((["a", "b"], [1, 2]))

    assert dataset.targets == ["1", "2"]
    assert codes == ("number_label",)


def test_missing_values_of_pandas_are_empty() -> None:
    frame = pd.DataFrame({"text": ["a", None, "c", "d"], "label": ["x", "y", float("nan"), pd.NA]})

    dataset, report = read_dataset(frame)

    assert dataset.texts == ["a"]
    assert {finding.code: finding.rows for finding in report} == {"empty_label": (3, 4), "empty_text": (2,)}


def test_an_unlabelled_row_of_a_hub_dataset_is_empty() -> None:
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["x", "y"])})
    source = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, -1]}, features=features)

    dataset, codes = read(source)

    assert dataset.targets == ["y"]
    assert codes == ("empty_label",)


def test_separators_in_a_frame_are_used_where_given() -> None:
    frame = pd.DataFrame({"text": ["a", "b"], "tags": ["x|y", ""]})

    dataset, _ = read_dataset(frame, label_separator="|")

    assert dataset.targets == [["x", "y"], []]


def test_lists_of_different_length_are_an_error() -> None:
    _, report = read_dataset((["a", "b", "c"], ["x"]))

    assert report.codes == ("length_mismatch",)
    assert "3 texts and 1 label" in report.errors[0].message


def test_a_record_without_a_field_is_reported() -> None:
    dataset, codes = read([{"text": "a", "label": "x"}, {"text": "b"}])

    assert len(dataset) == 1
    assert codes == ("missing_field",)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (5, "Cannot read examples from a int"),
        (("text", ["x"]), "The texts are a str"),
        ((["a"], "x"), "The labels are a str"),
        (["a", "b"], "Cannot read examples from a list"),
        (datasets.DatasetDict({"test": datasets.Dataset.from_dict({"text": ["a"]})}), r"dataset\['test'\]"),
        (datasets.Dataset.from_dict({"text": ["a"], "label": ["x"]}).to_iterable_dataset(), "IterableDataset"),
    ],
)
def test_what_cannot_be_read_is_refused(source: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_dataset(source)


def test_no_rows_at_all_is_an_empty_data_set() -> None:
    sources: tuple[object, ...] = (([], []), pd.DataFrame({"text": [], "label": []}))
    for source in sources:
        dataset, codes = read(source)
        assert len(dataset) == 0
        assert codes == ()


MISSING = [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT]


@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_missing_values_in_lists_and_records_are_empty_as_in_a_frame(missing: Any) -> None:
    texts, labels = ["a", missing, "c", "d"], ["x", "y", missing, "z"]
    sources = [
        (texts, labels),
        (pd.Series(texts, dtype=object), pd.Series(labels, dtype=object)),
        [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)],
        pd.DataFrame({"text": texts, "label": labels}),
    ]
    for source in sources:
        dataset, report = read_dataset(source)
        assert dataset.texts == ["a", "d"]
        assert {finding.code: finding.rows for finding in report} == {"empty_label": (3,), "empty_text": (2,)}


def test_a_row_with_several_numbers_as_labels_counts_once() -> None:
    _, report = read_dataset((["a", "b"], [[1, 0, 3], [2]]))

    (found,) = report
    assert found.message.startswith("2 rows have a number as their label")
    assert found.message.endswith("row 1 (1), row 2 (2).")
    assert (found.rows, found.count) == ((1, 2), 2)
