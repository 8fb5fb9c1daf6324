import json

import pytest

from fewfit.data import read_dataset


def lines(*values: object) -> bytes:
    return "\n".join(json.dumps(value) for value in values).encode()


def test_objects_are_read_with_their_line_numbers() -> None:
    data = b'\xef\xbb\xbf{"text": "a", "label": "x", "id": 1}\r\n\r\n{"label": "y", "text": "b"}\r\n'

    dataset, report = read_dataset(data, name="a.jsonl")

    assert [(e.text, e.labels, e.row) for e in dataset.examples] == [("a", ("x",), 1), ("b", ("y",), 3)]
    assert len(report) == 0


def test_lists_make_the_data_multilabel_and_may_be_empty() -> None:
    dataset, report = read_dataset(lines({"text": "a", "label": ["x", "y"]}, {"text": "b", "label": []}))

    assert dataset.kind == "multi"
    assert dataset.targets == [["x", "y"], []]
    assert dataset.label_counts == {"x": 1, "y": 1}
    assert report.ok


def test_strings_among_lists_count_as_one_label_and_are_mentioned() -> None:
    dataset, report = read_dataset(lines({"text": "a", "label": ["x", "y"]}, {"text": "b", "label": "x"}))

    assert dataset.targets == [["x", "y"], ["x"]]
    assert report.codes == ("mixed_label_types",)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (b'{"text": "a", "label": "b"', "bad_json", "column"),
        (b"not json", "bad_json", "column 1"),
        (b'{"text": "a", "label": ' + b"9" * 5000 + b"}", "bad_json", "digits"),
        (b"[" * 100_000, "bad_json", "recursion"),
        (b'"just a string"', "not_an_object", "just a string"),
        (b'["a", "b"]', "not_an_object", ""),
        (b'{"text": "a"}', "missing_field", "no 'label'"),
        (b'{"label": "b"}', "missing_field", "no 'text'"),
        (b'{"text": 5, "label": "b"}', "wrong_type", "the text is '5', of type int"),
        (b'{"text": ["a"], "label": "b"}', "wrong_type", "list"),
        (b'{"text": "a", "label": 5}', "wrong_type", "the label is '5', of type int"),
        (b'{"text": "a", "label": {"b": 1}}', "wrong_type", "dict"),
        (b'{"text": "a", "label": true}', "wrong_type", "bool"),
        (b'{"text": "a", "label": null}', "empty_label", ""),
        (b'{"text": "a", "label": "  "}', "empty_label", ""),
        (b'{"text": "a\\u0000", "label": "b"}', "nul_byte", "in the text"),
        (b'{"text": "a\\ud800", "label": "b"}', "bad_unicode", "in the text"),
        (b'{"text": "a", "label": "\\udfff"}', "bad_unicode", "in the label"),
        (b'{"text": "\xe9", "label": "b"}', "bad_utf8", "0xE9"),
    ],
)
def test_a_malformed_line_is_reported_and_the_others_are_read(line: bytes, code: str, words: str) -> None:
    good = b'{"text": "good", "label": "x"}'

    dataset, report = read_dataset(b"\n".join([good, line, good]), file_format="jsonl")

    assert [(finding.code, finding.rows) for finding in report] == [(code, (2,))]
    assert words in report.errors[0].message
    assert dataset.texts == ["good", "good"]


@pytest.mark.parametrize("value", ["", "  ", None])
def test_an_empty_text_is_left_out_with_a_warning(value: str | None) -> None:
    dataset, report = read_dataset(lines({"text": "a", "label": "x"}, {"text": value, "label": "y"}))

    assert len(dataset) == 1
    assert report.ok
    assert report.codes == ("empty_text",)


def test_a_list_in_single_label_data_is_the_wrong_type() -> None:
    _, report = read_dataset(lines({"text": "a", "label": ["x"]}), kind="single")

    assert report.codes == ("wrong_type",)


def test_a_list_label_with_a_wrong_member_is_reported() -> None:
    _, report = read_dataset(lines({"text": "a", "label": ["x", 3]}, {"text": "a", "label": ["x", "x"]}))

    assert report.codes == ("wrong_type", "repeated_label")


def test_other_field_names_are_found_or_given() -> None:
    found, _ = read_dataset(lines({"utterance": "a", "intent": "x", "lang": "en"}))
    given, _ = read_dataset(lines({"q": "a", "a": "x", "lang": "en"}), text_column="q", label_column="a")

    assert found.targets == given.targets == ["x"]


def test_a_field_that_no_object_has_is_a_missing_column() -> None:
    _, report = read_dataset(lines({"text": "a", "lang": "en", "n": 1}))

    assert report.codes == ("missing_column",)
    assert "'lang'" in report.errors[0].message


def test_objects_that_lack_the_label_are_told_by_line_though_the_first_ones_do() -> None:
    content = lines(*[{"text": f"t{n}"} for n in range(250)], {"text": "a", "label": "x"})

    dataset, report = read_dataset(content)

    assert dataset.targets == ["x"]
    assert report.codes == ("missing_field",)
    assert report.errors[0].rows == tuple(range(1, 251))
    assert "no 'label'; it has 'text'" in report.errors[0].message


def test_with_the_usual_names_given_other_fields_are_named_in_the_line() -> None:
    content = lines({"text": "a", "topic": "x", "lang": "en"})

    _, report = read_dataset(content, text_column="text", label_column="label")

    assert report.codes == ("missing_field",)
    assert "no 'label'; it has 'text', 'topic', 'lang'" in report.errors[0].message


def test_another_name_that_is_not_there_is_one_mistake() -> None:
    content = lines({"text": "a", "label": "x"}, {"text": "b", "label": "x"})

    _, report = read_dataset(content, label_column="labl")

    assert report.codes == ("missing_column",)
    assert "Did you mean 'label'?" in report.errors[0].message


def test_where_a_cut_off_line_ends_is_told() -> None:
    _, report = read_dataset(b'{"text": "a", "label": "b"\n' + lines({"text": "a", "label": "x"}))

    assert "column 27" in report.errors[0].message
