from pathlib import Path

import pytest

from benchmarks.harness.errors import UsageError
from benchmarks.harness.results import Results
from tests.unit.benchmarks.conftest import a_result


def test_what_was_added_is_there_for_the_next_command(tmp_path: Path) -> None:
    row = a_result(settings={"steps": 3}, notes={"text": "a\nbé"})
    Results(tmp_path / "deep" / "r.jsonl").add(row)
    again = Results(tmp_path / "deep" / "r.jsonl")
    assert again.rows == [row]
    assert again.has(row.key)


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"size": "16"}, {"settings": {"steps": 4}}, {"base_digest": "4567"}, {"threads": 2}]
)
def test_another_sample_setting_base_or_thread_count_is_another_measurement(
    tmp_path: Path, change: dict[str, object]
) -> None:
    results = Results(tmp_path / "r.jsonl")
    results.add(a_result())
    assert not results.has(a_result(**change).key)


def test_changed_code_is_measured_again_unless_any_version_will_do(tmp_path: Path) -> None:
    results = Results(tmp_path / "r.jsonl")
    results.add(a_result(code="old"))
    changed = a_result(code="new")
    assert not results.has(changed.key)
    assert results.has(changed.key, any_code=True)


def test_tables_show_the_last_of_each_measurement(tmp_path: Path) -> None:
    results = Results(tmp_path / "r.jsonl")
    results.add(a_result(code="old", fit_s=9.0))
    results.add(a_result(seed=1))
    results.add(a_result(code="new", fit_s=1.0))
    assert [(row.seed, row.fit_s) for row in results.latest()] == [(1, 3.0), (0, 1.0)]


@pytest.mark.parametrize("left", ['{"trial": "dri', "x" * 200_000])
def test_a_line_that_a_crash_cut_off_is_dropped_and_nothing_else(tmp_path: Path, left: str) -> None:
    path = tmp_path / "r.jsonl"
    Results(path).add(a_result())
    with path.open("a", encoding="utf-8") as file:
        file.write(left)
    results = Results(path)
    assert results.rows == [a_result()]
    results.add(a_result(seed=1))
    assert Results(path).rows == [a_result(), a_result(seed=1)]


def test_a_file_of_nothing_but_a_broken_line_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"trial"', encoding="utf-8")
    Results(path).add(a_result())
    assert Results(path).rows == [a_result()]


def test_a_line_that_is_no_result_is_said_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    Results(path).add(a_result())
    with path.open("a", encoding="utf-8") as file:
        file.write('{"task": "drinks"}\n')
    with pytest.raises(UsageError, match="line 2 is no result"):
        Results(path)
