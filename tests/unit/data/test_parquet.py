import builtins
import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fewfit.data import read_dataset
from fewfit.errors import MissingExtraError


def parquet(columns: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), buffer)
    return buffer.getvalue()


def test_parquet_is_known_by_its_first_bytes_and_numbered_from_one() -> None:
    data = parquet({"id": [1, 2, 3], "text": ["a", None, "c"], "label": ["x", "y", "x"]})

    dataset, report = read_dataset(data, name="without-ending")

    assert [(e.text, e.labels, e.row) for e in dataset.examples] == [("a", ("x",), 1), ("c", ("x",), 3)]
    assert [(finding.code, finding.rows) for finding in report] == [("empty_text", (2,))]
    assert dataset.read_as is not None
    assert dataset.read_as.format == "parquet"


def test_lists_are_multilabel() -> None:
    dataset, _ = read_dataset(parquet({"text": ["a", "b"], "labels": [["x", "y"], []]}))

    assert dataset.targets == [["x", "y"], []]


@pytest.mark.parametrize("labels", [pa.array([3, 5]), pa.array(["3", "5"]).dictionary_encode()])
def test_numbers_and_categories_become_strings(labels: Sequence[Any]) -> None:
    dataset, report = read_dataset(parquet({"text": ["a", "b"], "label": labels}))

    assert dataset.targets == ["3", "5"]
    assert report.ok


def test_a_text_that_is_not_utf8_is_reported_by_row() -> None:
    broken = pa.array([b"fine", b"caf\xe9"]).view(pa.string())

    dataset, report = read_dataset(parquet({"text": broken, "label": ["x", "y"]}))

    assert dataset.texts == ["fine"]
    assert [(finding.code, finding.rows) for finding in report] == [("bad_utf8", (2,))]


@pytest.mark.parametrize("cut", [10, 200])
def test_a_damaged_file_is_an_error(cut: int) -> None:
    data = parquet({"text": ["a" * 500], "label": ["x"]})

    _, report = read_dataset(data[:-cut])

    assert report.codes == ("bad_parquet",)


def test_without_pyarrow_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    data = parquet({"text": ["a"], "label": ["x"]})
    monkeypatch.setattr(builtins, "__import__", refuse)

    with pytest.raises(MissingExtraError, match="pip install"):
        read_dataset(data)
