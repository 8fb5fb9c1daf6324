import time
from collections.abc import Sequence

import pytest

from fewfit.data import (
    Dataset,
    Example,
    Finding,
    LongTexts,
    Report,
    Requirements,
    check_leakage,
    check_spellings,
    validate,
)

LENIENT = Requirements(strict=False)
WORDS = ("card", "parcel", "invoice", "login", "refund", "plan", "order", "app", "bank", "form", "agent", "price")


def single(*pairs: tuple[str, str]) -> Dataset:
    return Dataset(tuple(Example(t, (label,), row) for row, (t, label) in enumerate(pairs, 2)), "single")


def multi(*pairs: tuple[str, tuple[str, ...]]) -> Dataset:
    return Dataset(tuple(Example(t, labels, row) for row, (t, labels) in enumerate(pairs, 2)), "multi")


def sentence(number: int) -> str:
    """A text that is like no other."""
    words = [WORDS[(number * step + step) % len(WORDS)] for step in (1, 5, 7)]
    return f"please help me with the {words[0]} and the {words[1]} number {number} of my {words[2]}"


def plenty(per_label: int = 20, labels: Sequence[str] = ("billing", "delivery")) -> Dataset:
    pairs = [(sentence(100 * k + n), label) for k, label in enumerate(labels) for n in range(per_label)]
    return single(*pairs)


def finding(report: Report, code: str) -> Finding:
    found = [item for item in report if item.code == code]
    assert len(found) == 1, report.codes
    return found[0]


def test_good_data_has_no_errors_and_no_warnings() -> None:
    report = validate(plenty(), base="english")

    assert report.errors == ()
    assert report.warnings == ()


@pytest.mark.parametrize("strict", [True, False])
def test_too_little_data_is_an_error_only_where_strict(strict: bool) -> None:
    data = single(*((sentence(n), "a" if n < 8 else "b") for n in range(10)))

    report = validate(data, requirements=Requirements(strict=strict))

    severity = "error" if strict else "warning"
    few, rare = finding(report, "few_examples"), finding(report, "rare_label")
    assert few.severity == rare.severity == severity
    assert "10 examples" in few.message
    assert few.suggestion == "Add 22 more."
    assert "'b' has 2 (3 missing)" in rare.message
    assert rare.rows == (10, 11)
    assert rare.labels == ("b",)


def test_requirements_can_be_set() -> None:
    data = single(*((sentence(n), "ab"[n % 2]) for n in range(4)))

    assert validate(data, requirements=Requirements(min_examples=4, min_examples_per_label=2)).ok


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (single(), "no_examples"),
        (single(("x", "a"), ("y", "a")), "one_label"),
        (multi(("x", ("a",)), ("y", ())), "one_label"),
        (multi(("x", ()), ("y", ())), "one_label"),
    ],
)
def test_nothing_to_tell_apart_is_an_error_also_where_lenient(data: Dataset, code: str) -> None:
    assert code in {error.code for error in validate(data, requirements=LENIENT).errors}


@pytest.mark.parametrize("strict", [True, False])
def test_a_label_on_every_row_is_reported_in_multilabel_data(strict: bool) -> None:
    data = multi(*((sentence(n), ("always", "odd") if n % 2 else ("always",)) for n in range(40)))

    report = validate(data, requirements=Requirements(strict=strict))

    assert finding(report, "label_on_every_row").labels == ("always",)
    assert report.ok != strict


def test_labels_that_differ_by_case_or_white_space_are_reported_with_the_rarer_ones_rows() -> None:
    pairs = [(sentence(n), "Lost Card") for n in range(20)] + [(sentence(20 + n), "b") for n in range(20)]
    data = single(*pairs, (sentence(50), "lost card"), (sentence(51), "LostCard"))

    found = finding(validate(data, requirements=LENIENT), "label_variants")

    assert found.labels == ("Lost Card", "LostCard", "lost card")
    assert found.rows == (42, 43)
    assert "'Lost Card' (20)" in found.message
    assert "write 'Lost Card' everywhere" in found.suggestion


def test_labels_that_differ_by_what_cannot_be_seen_are_reported() -> None:
    labels = ("billing", "billing\u200b", "bil\u00adling", "\ufeffbilling")
    found = finding(validate(single(*((sentence(n), label) for n, label in enumerate(labels)))), "label_variants")

    assert set(found.labels) == set(labels)
    assert r"'billing\u200b'" in found.message


def test_labels_that_a_model_knows_in_another_spelling_are_reported() -> None:
    data = single(("a", "billing"), ("b", "Billing"), ("c", "billing\u200b"), ("d", "new"))

    found = finding(check_spellings(data, ["billing", "delivery"]), "label_variants")

    assert (found.rows, found.labels) == ((3, 4), ("Billing", "billing\u200b"))
    assert len(check_spellings(data, data.label_names)) == 0


def test_many_labels_in_another_spelling_are_found_in_linear_time() -> None:
    data = single(*((f"text {n}", f"Label {n}") for n in range(20_000)))
    started = time.perf_counter()

    found = finding(check_spellings(data, [f"label {n}" for n in range(20_000)]), "label_variants")

    assert time.perf_counter() - started < 5
    assert len(found.labels) == 20_000


def test_a_column_of_texts_taken_for_labels_is_checked_in_linear_time() -> None:
    pairs = [(sentence(n), f"{'L' if n % 2 else 'l'}abel {n // 2}") for n in range(20_000)]
    started = time.perf_counter()

    report = validate(single(*pairs), requirements=LENIENT)

    assert time.perf_counter() - started < 10
    found = [finding for finding in report if finding.code == "label_variants"]
    assert len(found) == 11
    assert "9,990 more labels" in found[-1].message


def test_what_programs_write_for_nothing_is_reported() -> None:
    data = single(("a", "nan"), ("NaN", "x"), ("no banana", "None"), ("b", r"\N"), ("c", "n/a"), ("none", "x"))

    found = finding(validate(data, requirements=LENIENT), "nothing_written")

    assert found.rows == (2, 3, 5)
    assert "3 rows with 'nan', 'NaN'" in found.message


def test_copies_and_contradictions_are_told_apart() -> None:
    data = single(
        ("Card lost", "cards"),
        ("card  LOST ", "cards"),
        ("no parcel", "delivery"),
        ("No parcel", "refund"),
        ("hello", "other"),
    )

    report = validate(data, requirements=LENIENT)

    same, different = finding(report, "duplicate_text"), finding(report, "conflicting_labels")
    assert same.rows == (3,)
    assert "'Card lost' in rows 2, 3" in same.message
    assert different.rows == (4, 5)
    assert different.labels == ("delivery", "refund")
    assert "'delivery' in row 4 and 'refund' in row 5" in different.message


def test_the_order_of_labels_is_no_contradiction() -> None:
    report = validate(multi(("x", ("a", "b")), ("x", ("b", "a")), ("y", ())), requirements=LENIENT)

    assert "conflicting_labels" not in report.codes
    assert "duplicate_text" in report.codes


def test_long_texts_are_reported_with_how_much_is_cut() -> None:
    data = single(("a b c d", "x"), ("a b", "y"), ("a b c d e f", "x"))
    asked: list[int] = []

    def count(texts: Sequence[str]) -> list[int]:
        asked.append(len(texts))
        return [len(text.split()) for text in texts]

    found = finding(validate(data, requirements=LENIENT, count_tokens=count, max_tokens=3), "truncated_text")

    assert found.rows == (2, 4)
    assert "2 texts of 3 (66.7%)" in found.message
    # 4 of the 10 tokens of the long texts, and of 12 in all.
    assert "40% of what they say comes after them (33.3% of all tokens)" in found.message
    assert "The longest, in row 4, has 6. They are cut there, unless" in found.message
    assert sum(asked) == 3


@pytest.mark.parametrize(("long_texts", "words"), [("cut", "They are cut there."), ("windows", "in windows")])
def test_what_becomes_of_long_texts_is_said(long_texts: LongTexts, words: str) -> None:
    data = single(("a b c d", "x"), ("a b", "y"))
    report = validate(data, count_tokens=lambda texts: [4] * len(texts), max_tokens=3, long_texts=long_texts)
    found = finding(report, "truncated_text")

    assert words in found.message
    assert ("--long-texts windows" in (found.suggestion or "")) == (long_texts == "cut")


def test_texts_that_fit_exactly_are_not_cut() -> None:
    report = validate(single(("a b", "x"), ("c d", "y")), count_tokens=lambda texts: [2] * len(texts), max_tokens=2)

    assert "truncated_text" not in report.codes


GERMAN = (
    "Wo bleibt mein Paket, ich warte seit einer Woche darauf?",
    "Die Rechnung stimmt nicht, bitte prüfen Sie das.",
)


@pytest.mark.parametrize(
    ("base", "german", "severity"),
    [
        ("english", 2, "warning"),
        ("english-small", 2, "warning"),
        (None, 2, "advice"),
        ("multilingual", 2, None),
        ("english", 0, None),
        ("multilingual", 0, "advice"),
        (None, 0, "advice"),
        ("BAAI/bge-m3", 2, None),
    ],
)
def test_a_base_that_does_not_fit_the_languages_is_reported(
    base: str | None, german: int, severity: str | None
) -> None:
    data = plenty()
    examples = (*data.examples, *(Example(text, ("billing",), 90 + n) for n, text in enumerate(GERMAN[:german])))

    report = validate(data.with_examples(examples), base=base)

    found = [item for item in report if item.code == "base_language"]
    assert [item.severity for item in found] == ([severity] if severity else [])
    if german and found:
        assert found[0].rows == (90, 91)
        assert "de 4.8%" in found[0].message
        assert "multilingual" in found[0].suggestion


def test_shuffling_the_rows_changes_nothing() -> None:
    data = single(
        *((sentence(n), "a" if n % 3 else "b") for n in range(30)),
        ("Twice", "a"),
        ("twice", "A"),
        ("again", "a"),
        ("Again", "a"),
    )
    shuffled = data.with_examples(sorted(data.examples, key=lambda example: example.text[::-1]))

    assert validate(shuffled, requirements=LENIENT) == validate(data, requirements=LENIENT)


def test_texts_in_both_files_are_reported_by_their_rows_in_the_evaluation_data() -> None:
    report = check_leakage(["Card lost", "x"], single(("y", "a"), ("card  lost", "b")))

    assert finding(report, "leaked_text").rows == (3,)
    assert check_leakage(["x"], single(("y", "a"))) == Report()


def test_what_is_longer_than_all_windows_is_said() -> None:
    data = single(("a b c d e f g h i", "x"), ("a b c d", "y"), ("a", "x"))

    def count(texts: Sequence[str]) -> list[int]:
        return [len(text.split()) + 2 for text in texts]  # two special tokens

    def message(most_windows: int) -> str:
        report = validate(data, count_tokens=count, max_tokens=4, long_texts="windows", most_windows=most_windows)
        return finding(report, "truncated_text").message

    # Two tokens of a text in each window; 9 + 4 + 1 of the texts, and two special ones for each.
    assert "1 text is longer than 3 of them, the most that are read: the last 3 tokens (15.0% of all)" in message(3)
    assert "2 texts are longer than 1 of them" in message(1)
    assert message(5).endswith("They are read in windows of that length.")


def test_a_conflict_shows_a_row_of_each_label() -> None:
    labels = ("delivery", "delivery", "delivery", "billing", "delivery", "refund", "login")
    report = validate(single(*(("same", label) for label in labels)), requirements=LENIENT)

    message = finding(report, "conflicting_labels").message
    assert "'same' is 'delivery' in row 2 and 'billing' in row 5 and 'refund' in row 7." in message
    assert finding(report, "conflicting_labels").rows == (2, 3, 4, 5, 6, 7, 8)


@pytest.mark.parametrize("base", [None, "english", "multilingual"])
def test_few_short_texts_say_nothing_of_their_language(base: str | None) -> None:
    few = single(("bye bye", "a"), ("hola", "b"), ("card lost", "a"), ("pizza", "b"))
    report = validate(few, requirements=LENIENT, base=base)
    assert "base_language" not in report.codes


def test_one_short_text_that_is_misread_is_no_reason_for_another_base() -> None:
    data = plenty()
    data = data.with_examples((*data.examples, Example("bye bye", ("billing",), 90)))
    assert "base_language" not in validate(data, base="english").codes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\U0001f4bb"),  # a woman at a computer, a woman and a computer
        ("\U0001f3f4\U000e0067\U000e0062\U000e007f", "\U0001f3f4"),  # a region's flag, a black flag
    ],
)
def test_signs_that_show_are_no_spellings(one: str, other: str) -> None:
    data = single(*((f"text {row}", label) for row in range(3) for label in (one, other)))
    assert "label_variants" not in [finding.code for finding in validate(data)]
