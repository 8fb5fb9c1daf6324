import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from onnx import TensorProto, helper, numpy_helper

from fewfit.encoders.quantize import (
    dequantize,
    exact_in_pairs,
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
    pairs = rows.astype(int)[:, : rows.shape[1] // 2 * 2].reshape(len(rows), -1, 2)
    assert np.abs(pairs.clip(min=0).sum(axis=2)).max(initial=0) <= 128
    assert np.abs(pairs.clip(max=0).sum(axis=2)).max(initial=0) <= 128


@pytest.mark.parametrize("middle", [0, 32, 128, 255])
def test_products_with_uint8_are_exact_on_this_cpu(middle: int) -> None:
    """CPUs without VNNI cut off sums of two products that pass 16 bits: rounded rows must not get there."""
    rng = np.random.default_rng(0)
    weight = np.concatenate([rng.standard_normal((30, 64)), np.ones((1, 64)), -np.ones((1, 64)), np.eye(1, 64)])
    rows, _ = quantize_rows(weight.astype(np.float32))
    activations = rng.integers(0, 256, (20, 64)).astype(np.uint8)
    activations[:2] = [[0], [255]]
    names = ["activations", "weight", "one", "scale", "middle"]
    node = helper.make_node("MatMulIntegerToFloat", names, ["product"], domain="com.microsoft")
    constants = {"weight": rows.T, "one": np.float32(1), "scale": np.ones(len(rows), np.float32)}
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("activations", TensorProto.UINT8, list(activations.shape))],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, [len(activations), len(rows)])],
        [
            numpy_helper.from_array(np.ascontiguousarray(value), name)
            for name, value in (constants | {"middle": np.uint8(middle)}).items()
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
    (product,) = ort.InferenceSession(model).run(None, {"activations": activations})
    exact = (activations.astype(np.int64) - middle) @ rows.T.astype(np.int64)
    np.testing.assert_array_equal(product, exact)


def test_a_row_of_zeros_stays_zeros() -> None:
    rows, scale = quantize_rows(np.array([[0, 0], [1, -2]], dtype=np.float32))
    np.testing.assert_array_equal(dequantize(rows, scale)[0], 0)
    assert rows[1].tolist() == [64, -127]
    assert scale[1] == pytest.approx(2 / 127)


def test_rows_of_an_older_fewfit_are_rounded_again_where_a_pair_passes_16_bits() -> None:
    rows = np.array([[127, 100, -3, 4], [127, -127, 1, 0], [-64, -64, 8, 120], [-65, -64, 0, 0]], dtype=np.int8)
    scale = np.array([0.5, 1.0, 2.0, 3.0], dtype=np.float32)
    new_rows, new_scale = exact_in_pairs((rows, scale))
    assert (new_rows[[1, 2]] == rows[[1, 2]]).all()
    assert new_scale[[1, 2]].tolist() == [1.0, 2.0]
    assert new_rows[0, :2].sum() <= 128
    assert new_rows[3, :2].sum() >= -128
    error = np.abs(dequantize(new_rows, new_scale) - dequantize(rows, scale))
    assert (error <= 0.5001 * new_scale[:, None]).all()
    assert exact_in_pairs((new_rows, new_scale))[0] is new_rows


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
    assert rows.tolist() == [[126, 1], [127, -1]]
