from fewfit.data import (
    Dataset,
    Example,
    drop_duplicates,
    drop_rare_labels,
    keep_known_labels,
    merge_label_variants,
    rename_labels,
)


def multi(*rows: tuple[str, ...]) -> Dataset:
    return Dataset(tuple(Example(f"text {n}", labels, n) for n, labels in enumerate(rows, 1)), "multi")


def test_exact_duplicates_go_and_near_ones_stay() -> None:
    rows = [("a", ("x",)), ("a", ("x",)), ("A", ("x",)), ("a", ("y",))]
    data = Dataset(tuple(Example(text, labels, n) for n, (text, labels) in enumerate(rows, 1)), "single")

    assert drop_duplicates(data).rows == [1, 3, 4]


def test_the_order_of_labels_makes_no_other_row() -> None:
    examples = (Example("a", ("x", "y"), 1), Example("a", ("y", "x"), 2))

    assert drop_duplicates(Dataset(examples, "multi")).rows == [1]


def test_rows_of_rare_labels_go_in_single_label_data() -> None:
    data = Dataset(tuple(Example(str(n), ("a" if n < 5 else "b",), n) for n in range(7)), "single")

    kept, report = drop_rare_labels(data, 3)

    assert kept.label_counts == {"a": 5}
    assert report.codes == ("rare_label_dropped",)
    assert report.findings[0].rows == (5, 6)
    assert "'b' (2); 2 rows dropped" in report.findings[0].message


def test_in_multilabel_data_rows_with_other_labels_stay_without_the_rare_ones() -> None:
    kept, report = drop_rare_labels(multi(("a", "b"), ("a",), ("c",), ()), 2)

    assert kept.targets == [["a"], ["a"], []]  # a text that is only about what is rare is no example of "no label"
    assert "1 row dropped, taken off 1 row with other labels" in report.findings[0].message
    assert report.findings[0].rows == (1, 3)


def test_nothing_rare_nothing_dropped() -> None:
    data = multi(("a",), ("a",))

    assert drop_rare_labels(data, 2) == (data, drop_rare_labels(data, 1)[1])


def test_renaming_may_join_labels() -> None:
    renamed = rename_labels(multi(("a", "b"), ("b", "c"), ("c",)), {"a": "b"})

    assert renamed.targets == [["b"], ["b", "c"], ["c"]]


def test_variants_are_joined_under_the_most_frequent_spelling() -> None:
    merged = merge_label_variants(multi(("Lost Card",), ("Lost Card",), ("lost card", "x"), ("LostCard",)))

    assert merged.label_counts == {"Lost Card": 4, "x": 1}


def test_rows_with_unknown_labels_are_left_out_with_a_warning() -> None:
    kept, report = keep_known_labels(multi(("a",), ("a", "new"), (), ("other",)), ["a", "b"])

    assert kept.rows == [1, 3]
    assert [(finding.code, finding.rows, finding.labels) for finding in report] == [
        ("unknown_label", (2, 4), ("new", "other"))
    ]
    assert keep_known_labels(kept, ["a"])[1].findings == ()
