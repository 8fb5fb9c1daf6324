import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fewfit.encoders.quantize import (
    dequantize,
    int8_name,
    plain_array,
    quantize_arrays,
    quantize_rows,
    rounded_array,
    scale_name,
    smooth_name,
)


@given(
    arrays(
        np.float32,
        array_shapes(min_dims=2, max_dims=2, max_side=8),
        elements=st.floats(-1000, 1000, width=32, allow_subnormal=False),
    )
)
def test_each_value_is_off_by_at_most_half_a_step(weight: np.ndarray) -> None:
    rows, scale = quantize_rows(weight)
    error = np.abs(dequantize(rows, scale) - weight)
    assert (error <= 0.5001 * scale[:, None] + 1e-6 * np.abs(weight)).all()
    assert np.abs(rows.astype(int)).max() <= 127


def test_a_row_of_zeros_stays_zeros() -> None:
    rows, scale = quantize_rows(np.array([[0, 0], [1, -2]], dtype=np.float32))
    np.testing.assert_array_equal(dequantize(rows, scale)[0], 0)
    assert rows[1].tolist() == [64, -127]
    assert scale[1] == pytest.approx(2 / 127)


def test_only_the_named_parameters_are_rounded() -> None:
    given_arrays = {"a": np.ones((2, 2), dtype=np.float32), "b": np.ones(2, dtype=np.float32)}
    out = quantize_arrays(given_arrays, ["a"])
    assert sorted(out) == sorted([int8_name("a"), scale_name("a"), "b"])
    assert out[int8_name("a")].dtype == np.int8


def test_a_smoothed_parameter_is_had_again_smoothed_or_not() -> None:
    weight, smooth = np.array([[1.0, 0.01], [2.0, -0.02]], dtype=np.float32), np.array([0.125, 8.0], dtype=np.float32)
    out = quantize_arrays({"a": weight, smooth_name("a"): smooth}, ["a"])
    # Unsmoothed, the small column has 1 step of 127; smoothed it has 81.
    np.testing.assert_allclose(plain_array(out, "a"), weight, rtol=0.01)
    rows, scale = rounded_array(out, "a", smoothed=True)
    np.testing.assert_allclose(dequantize(rows, scale), weight * smooth, rtol=0.01)
    rows, scale = rounded_array(out, "a", smoothed=False)
    assert rows.tolist() == [[127, 1], [127, -1]]
