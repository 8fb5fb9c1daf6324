"""Weights as 8-bit integers: one scale a row, symmetric.

Beside a weight its smoothing may be kept (see `smoothing`), a factor a column: then the rows that are kept rounded
are those of the weight times its smoothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rounded = tuple[NDArray[np.int8], NDArray[np.float32]]  # a matrix's rows, and what each is multiplied by

_LEVELS = 127  # -127 to 127: symmetric, so that no zero point is needed
_MOST_OF_A_PAIR = 128  # two neighbours of one sign together
_PAIR_LEVELS = 127.5  # that before rounding, which may add a half to both
_SMALLEST_SCALE = np.float32(1e-30)  # a row of zeros stays zeros


def int8_name(name: str) -> str:
    """Under which name the rounded form of a parameter is kept."""
    return f"{name}:int8"


def scale_name(name: str) -> str:
    """Under which name the scales of a rounded parameter are kept."""
    return f"{name}:scale"


def smooth_name(name: str) -> str:
    """Under which name the smoothing of a parameter is kept."""
    return f"{name}:smooth"


def without_smoothing(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The parameters alone, without what is kept to smooth them."""
    return {name: value for name, value in arrays.items() if not name.endswith(smooth_name(""))}


def quantize_rows(weight: NDArray[np.float32]) -> Rounded:
    """A matrix (rows, columns) as int8 of that shape and float32 scales (rows,); each value is off by at most half its
    row's scale.

    A row's largest value becomes 127, or less where two neighbours would be more than 128 together: x86 CPUs without
    VNNI multiply a row with uint8 by pairs, and what passes 16 bits is cut off (the instruction vpmaddubsw). 255 * 128
    does not, so that the integers are the same on every CPU.
    """
    largest = np.maximum(
        np.abs(weight).max(axis=1) / np.float32(_LEVELS), _largest_pairs(weight) / np.float32(_PAIR_LEVELS)
    )
    scale = np.maximum(largest, _SMALLEST_SCALE).astype(np.float32)
    rounded = np.rint(weight / scale[:, None])
    return rounded.astype(np.int8), scale


def exact_in_pairs(rounded: Rounded) -> Rounded:
    """Rounded rows such as `quantize_rows` gives: those of an older fewfit may have pairs that pass 16 bits."""
    rows, scale = rounded
    cut_off = _largest_pairs(rows.astype(np.int16)) > _MOST_OF_A_PAIR
    if not cut_off.any():
        return rounded
    rows, scale = rows.copy(), scale.copy()
    rows[cut_off], coarser = quantize_rows(rows[cut_off].astype(np.float32))
    scale[cut_off] *= coarser
    return rows, scale


def _largest_pairs(rows: NDArray[Any]) -> NDArray[Any]:
    """The largest sum of two neighbours of one sign, or of one alone, in each row."""
    seconds = rows[:, 1::2]
    firsts = rows[:, ::2][:, : seconds.shape[1]]
    above = np.maximum(firsts, 0) + np.maximum(seconds, 0)
    below = np.minimum(firsts, 0) + np.minimum(seconds, 0)
    return np.asarray(np.maximum(above.max(axis=1, initial=0), -below.min(axis=1, initial=0)))


def dequantize(rows: NDArray[np.int8], scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """The matrix that `quantize_rows` rounded, as near as it can be had again."""
    return np.asarray(rows.astype(np.float32) * scale[:, None], dtype=np.float32)


def quantize_arrays(arrays: Mapping[str, NDArray[Any]], names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """The same parameters with those in `names` rounded to int8, smoothed if they can be; the others stay float32."""
    chosen = set(names)
    out: dict[str, NDArray[Any]] = {}
    for name, value in arrays.items():
        if name in chosen:
            out[int8_name(name)], out[scale_name(name)] = rounded_array(arrays, name, smoothed=True)
        else:
            out[name] = np.asarray(value)
    return out


def rounded_array(
    arrays: Mapping[str, NDArray[Any]], name: str, *, smoothed: bool, multiplied: bool = False
) -> Rounded:
    """A parameter's rows in int8 and their scales, `smoothed` by what is kept for that, or as they are.

    Rows that are to be `multiplied` give the same products on every CPU, also those that an older fewfit rounded.
    Raises KeyError where there is no such parameter, rounded or not.
    """
    smooth = arrays.get(smooth_name(name))
    if int8_name(name) in arrays and (smoothed or smooth is None):
        kept = arrays[int8_name(name)], arrays[scale_name(name)]
        return exact_in_pairs(kept) if multiplied else kept
    weight = plain_array(arrays, name)
    return quantize_rows(weight if smooth is None or not smoothed else weight * smooth)


def plain_array(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    """A parameter in float32, whether it is kept as it is or rounded. Raises KeyError where it is neither."""
    if int8_name(name) not in arrays:
        return np.asarray(arrays[name], dtype=np.float32)
    smoothed = dequantize(arrays[int8_name(name)], arrays[scale_name(name)])
    return smoothed / arrays[smooth_name(name)] if smooth_name(name) in arrays else smoothed
