"""Reading and checking takes time and memory in proportion to the rows: guards with generous margins."""

import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from fewfit.data import Requirements, read_dataset, stratified_split, validate

ROWS = 5_000


def _file(folder: Path, rows: int) -> Path:
    path = folder / f"{rows}.csv"
    places = ("kitchen", "garden", "office", "station", "harbour")
    lines = (f'"the parcel of order {row} is in the {places[row % 5]}",label {row % 7}\n' for row in range(rows))
    path.write_text("text,label\n" + "".join(lines), encoding="utf-8")
    return path


def _work(path: Path) -> None:
    dataset, report = read_dataset(path)
    report.raise_for_errors()
    validate(dataset, requirements=Requirements())
    stratified_split(dataset)


def test_four_times_the_rows_take_no_more_than_eight_times_as_long(tmp_path: Path) -> None:
    small, large = _file(tmp_path, ROWS), _file(tmp_path, 4 * ROWS)
    _work(small)  # what is loaded once
    elapsed_s = []
    for path in (small, large):
        started_s = time.process_time()
        _work(path)
        elapsed_s.append(time.process_time() - started_s)
    assert elapsed_s[1] < 8 * elapsed_s[0] + 1.0


def test_four_times_the_rows_take_no_more_than_six_times_the_memory(tmp_path: Path) -> None:
    peaks = []
    for path in (_file(tmp_path, ROWS // 4), _file(tmp_path, ROWS)):
        tracemalloc.start()
        dataset, _ = read_dataset(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(dataset)
    assert peaks[1] < 6 * peaks[0]


@pytest.mark.parametrize("package", ["torch", "sklearn", "scipy", "pandas", "pyarrow", "transformers"])
def test_importing_fewfit_stays_light(package: str) -> None:
    script = f"import sys, fewfit; assert {package!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
