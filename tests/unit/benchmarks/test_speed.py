import pytest

from benchmarks.harness.answering import measure_peak, operations, summary
from benchmarks.many_models import report as report_many
from benchmarks.speed import report


def test_operations_count_products_and_attention() -> None:
    # One layer, width 2, inner width 3: 4 projections of 2x2 and 2 of 2x3, for 5 tokens, twice (multiply, add);
    # attention multiplies 5x2 by 2x5 and 5x5 by 5x2.
    assert operations([5], layers=1, hidden=2, intermediate=3) == 2 * 5 * (4 * 4 + 2 * 6) + 2 * (2 * 5 * 5 * 2)
    both = operations([5, 9], layers=3, hidden=8, intermediate=16)
    assert both == pytest.approx(sum(operations([n], layers=3, hidden=8, intermediate=16) for n in (5, 9)))


def test_the_peak_is_measured_in_both_precisions() -> None:
    peak = measure_peak(1, size=64, repetitions=2)
    assert peak.fp32 > 0
    assert peak.int8 > 0


def test_rates_are_shown_with_their_range() -> None:
    assert summary([1200.0, 900.4, 1000.0]) == "1,000 (900–1,200)"


def test_the_table_shows_the_share_of_the_peak_of_the_variants_own_precision() -> None:
    row = {
        "variant": "fewfit-int8",
        "mixture": "trec",
        "median_tokens": 10.0,
        "batch": 96,
        "texts_per_s": [100.0],
        "p50_ms": 1.0,
        "p99_ms": 2.0,
        "gops": 50.0,
        "accuracy": 0.9,
        "same_as_fp32": 0.995,
        "ready_s": 1.0,
        "memory_mb": 100.0,
        "peak": {"fp32": 100.0, "int8": 200.0},
        "base": "english-small",
        "task": "trec",
        "threads": 2,
        "machine": {"cpu": "a CPU", "flags": ["avx2"]},
        "load": 0.1,
    }
    lines = report([row, row | {"variant": "setfit", "same_as_fp32": None}])
    assert any("fewfit-int8" in line and "25 %" in line and "99.5" in line for line in lines)
    assert any("setfit" in line and "50 %" in line for line in lines)


def test_many_models_are_compared_with_one() -> None:
    row = {"models": 1, "texts_per_s": 200.0, "texts_per_batch": 4.0, "padding": 0.02, "memory_mb": 50.0}
    row |= {"batches_of_96_per_s": 250.0, "coroutines_texts_per_s": 240.0}
    one = row | {"memory_over_weights": 1.5}
    many = row | {"models": 100, "texts_per_s": 180.0, "memory_over_weights": 1.2}
    assert any(
        "90 %" in line and "72 %" in line and "96 %" in line and "+20 %" in line for line in report_many([one, many])
    )
