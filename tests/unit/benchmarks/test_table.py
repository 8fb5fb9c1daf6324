from pathlib import Path

from benchmarks.harness.frame import frames
from benchmarks.harness.results import Result
from benchmarks.harness.table import render, write_table
from tests.unit.benchmarks.conftest import a_result


def measured(method: str, accuracies: list[float], **changed: object) -> list[Result]:
    """A result a seed, with these accuracies."""
    return [
        a_result(
            **{
                "method": method,
                "seed": seed,
                "tests": {"en": {"n": 100, "accuracy": accuracy, "log_loss": 1 - accuracy, "predict_s": 2.0}},
            }
            | changed
        )
        for seed, accuracy in enumerate(accuracies)
    ]


def line_with(text: str, *parts: str) -> str:
    """The only line that has all the parts."""
    (line,) = [line for line in text.splitlines() if all(part in line for part in parts)]
    return line


def test_a_cell_is_mean_and_spread_over_samples_with_their_number() -> None:
    text = render(measured("fewfit", [0.80, 0.90]) + measured("setfit", [0.70]))
    assert "| task | size | n | fewfit | setfit |" in text
    assert "| drinks | 8 | 2 | 85.0 ± 7.1 | 70.0 (1) |" in text


def test_what_was_trained_on_all_rows_stands_beside_every_size() -> None:
    rows = measured("fewfit", [0.8]) + measured("tfidf", [0.75], size="all", base="", base_digest="")
    text = render(rows)
    assert "| task | size | n | fewfit | tfidf | tfidf@all |" in text
    assert "| drinks | 8 | 1 | 80.0 | – | 75.0 |" in text
    assert "| drinks | all | 1 | – | 75.0 | – |" in text


def test_methods_are_compared_on_the_tasks_and_samples_that_both_have() -> None:
    rows = [
        *measured("fewfit", [0.80, 0.90, 0.10]),
        *measured("setfit", [0.70, 0.80]),
        *measured("fewfit", [0.60], task="coffee", trial="coffee"),
        *measured("setfit", [0.70], task="coffee", trial="coffee"),
        *measured("fewfit", [0.00], task="alone", trial="alone"),
    ]
    # fewfit: (0.85 + 0.60) / 2, setfit: (0.75 + 0.70) / 2
    assert "| 8 | accuracy % | setfit | 72.5 | 72.5 | +0.0 | 1 of 2 |" in render(rows)
    assert "| 8 | log-loss | setfit | 0.275 | 0.275 | +0.000 | 1 of 2 |" in render(rows)


def test_a_cap_that_was_not_reached_is_no_cap() -> None:
    free = {"steps": 20, "steps_by_default": 20}
    cut = {"steps": 50, "steps_by_default": 400}
    rows = measured("setfit", [0.7], settings={"max_steps": 50}, notes=free)
    rows += measured("setfit", [0.6], settings={"max_steps": 50}, notes=cut, task="coffee", trial="coffee")
    text = render(rows)
    assert "| task | size | n | setfit | setfit:max_steps=50 |" in text
    assert "| drinks | 8 | 1 | 70.0 | – |" in text
    assert "| coffee | 8 | 1 | – | 60.0 |" in text


def test_languages_show_the_gap_to_the_language_of_training() -> None:
    tests = {
        language: {"n": 10, "accuracy": accuracy, "predict_s": 1.0}
        for language, accuracy in {"en": 0.9, "de": 0.8, "fr": 0.7}.items()
    }
    text = render([a_result(trial="topics:en:all", test=["en", "de", "fr"], tests=tests)])
    found = line_with(text, "| topics:en:all | 8 | fewfit |", "90.0, ")
    assert found == ("| topics:en:all | 8 | fewfit | 1 | en | 90.0 | 75.0 | -15.0 | en 90.0, de 80.0, fr 70.0 |")


def test_ordered_labels_show_their_error_by_language_too() -> None:
    tests = {
        language: {"n": 10, "accuracy": 0.5, "mae": mae, "predict_s": 1.0}
        for language, mae in [("en", 0.5), ("de", 0.75)]
    }
    text = render([a_result(trial="stars:en:all", test=["en", "de"], tests=tests)])
    assert "Mean absolute error by language of the test rows:" in text
    assert "| stars:en:all | 8 | fewfit | 1 | en | 0.500 | 0.750 | +0.250 | en 0.500, de 0.750 |" in text


def test_time_tells_how_busy_the_machine_was() -> None:
    rows = [a_result(seed=seed, fit_s=fit_s, load=load) for seed, fit_s, load in [(0, 1, 0.5), (1, 9, 7.25), (2, 2, 1)]]
    assert "| drinks | 8 | fewfit | 3 | 16 | – | 2.0 | 2.5 | 50 | 0.5–7.2 |" in render(rows)


def test_each_base_and_thread_count_has_its_own_tables() -> None:
    rows = [a_result(), a_result(base="other", base_digest="4567"), a_result(threads=2)]
    rows.append(a_result(method="tfidf", base="", base_digest=""))
    found = {(frame.base, frame.threads): frame.methods for frame in frames(rows)}
    assert found == {
        ("toy", 1): ["fewfit", "tfidf"],
        ("other", 1): ["fewfit", "tfidf"],
        ("toy", 2): ["fewfit"],
    }


def test_sizes_come_in_their_order() -> None:
    rows = [a_result(size=size) for size in ("all", "64", "n40", "8", "100")]
    (frame,) = frames(rows)
    assert [line.size for line in frame.lines] == ["8", "n40", "64", "100", "all"]


def test_a_table_of_nothing_says_so(tmp_path: Path) -> None:
    write_table([], tmp_path / "table.md")
    assert "Nothing has been measured yet." in (tmp_path / "table.md").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["table.md"]
