"""What the operators on 8-bit whole numbers are defined to give, by exact arithmetic: sums in int64, scales in float64.

Put before onnxruntime_cases.py, whose main() judges by this where onnxruntime need not be right. Where the processor lacks
VNNI it multiplies uint8 by int8 with an instruction that adds neighbouring products and saturates at 16 bits (vpmaddubsw);
uint8 by uint8 and int8 by int8 it extends to 16 bits first, which is exact everywhere.
"""
import itertools

import numpy as np

HALF_STEP_OF_FLOAT32 = 2.0**-24


class NearTie(Exception):
    """A value lies so near the middle of two whole numbers that float32 arithmetic may round it to the other one."""


def of_rows(parameter):
    """A scale or zero point of a left operand, against its rows."""
    p = np.asarray(parameter)
    return p[..., np.newaxis] if p.ndim == 1 and p.size > 1 else p


def whole(x, zero):
    return np.asarray(x).astype(np.int64) - (0 if zero is None else np.asarray(zero).astype(np.int64))


def product(a, a_zero, b, b_zero):
    return whole(a, None if a_zero is None else of_rows(a_zero)) @ whole(b, b_zero)


def convolution_sum(x, x_zero, w, w_zero, group=1, pads=None, strides=None, dilations=None):
    x, w = whole(x, x_zero), whole(w, None if w_zero is None else np.reshape(w_zero, (-1,) + (1,) * (np.ndim(w) - 1)))
    rank, kernel = x.ndim - 2, w.shape[2:]
    pads, strides, dilations = pads or [0] * (2 * rank), strides or [1] * rank, dilations or [1] * rank
    x = np.pad(x, [(0, 0), (0, 0)] + [(pads[d], pads[rank + d]) for d in range(rank)])
    size = [(x.shape[2 + d] - dilations[d] * (kernel[d] - 1) - 1) // strides[d] + 1 for d in range(rank)]
    x = x.reshape((x.shape[0], group, x.shape[1] // group) + x.shape[2:])
    w = w.reshape((group, w.shape[0] // group) + w.shape[1:])
    y = np.zeros((x.shape[0], group, w.shape[1], *size), np.int64)
    for offset in itertools.product(*(range(k) for k in kernel)):
        window = tuple(slice(o * dil, o * dil + stride * (n - 1) + 1, stride) for o, dil, stride, n in zip(offset, dilations, strides, size))
        y += np.einsum("ngc...,goc->ngo...", x[(slice(None),) * 3 + window], w[(slice(None),) * 3 + offset])
    return y.reshape((y.shape[0], -1, *size))


def rounded(value, zero, dtype, roundings):
    """saturate(round half to even(value) + zero); raises NearTie where `roundings` steps in float32 may decide otherwise."""
    info, zero = np.iinfo(dtype), np.asarray(zero).astype(np.float64)
    nearest_tie = np.abs(value - np.floor(value) - 0.5)
    inside = (value + zero > info.min - 1) & (value + zero < info.max + 1)
    if np.any(inside & (nearest_tie <= (roundings + 1) * HALF_STEP_OF_FLOAT32 * np.abs(value))):
        raise NearTie
    return np.clip(np.rint(value) + zero, info.min, info.max).astype(dtype)


def wide(scale):
    return np.asarray(scale).astype(np.float64)


def conv_integer(x, w, x_zero=None, w_zero=None, **attributes):
    return convolution_sum(x, x_zero, w, w_zero, **attributes).astype(np.int32)


def qlinear_conv(x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias=None, **attributes):
    total = convolution_sum(x, x_zero, w, w_zero, **attributes)
    channels = (-1,) + (1,) * (total.ndim - 2)
    if bias is not None:
        total = total + bias.astype(np.int64).reshape(channels)
    scale = wide(x_scale) * wide(w_scale) / wide(y_scale)
    # The sum, two steps of the scale, and their product are rounded.
    return rounded(total * (scale.reshape(channels) if scale.size > 1 else scale), y_zero, np.asarray(y_zero).dtype, 4)


def matmul_integer(a, b, a_zero=None, b_zero=None):
    return product(a, a_zero, b, b_zero).astype(np.int32)


def qlinear_matmul(a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero):
    value = product(a, a_zero, b, b_zero) * of_rows(wide(a_scale)) * wide(b_scale) / of_rows(wide(y_scale))
    return rounded(value, of_rows(y_zero), np.asarray(y_zero).dtype, 4)


def qgemm(a, a_scale, a_zero, b, b_scale, b_zero, c=None, y_scale=None, y_zero=None, alpha=1.0, transA=0, transB=0):
    total = product(a.T if transA else a, a_zero, b.T if transB else b, b_zero) + (0 if c is None else c.astype(np.int64))
    value = total * (np.float64(np.float32(alpha)) * wide(a_scale) * wide(b_scale))
    return value.astype(np.float32) if y_scale is None else rounded(value / wide(y_scale), y_zero, np.asarray(y_zero).dtype, 5)


def matmul_integer_to_float(a, b, a_scale, b_scale, a_zero=None, b_zero=None, bias=None):
    value = product(a, a_zero, b, b_zero) * (of_rows(wide(a_scale)) * wide(b_scale))
    return (value if bias is None else value + bias).astype(np.float32)


def dynamic_quantize_matmul(a, b, b_scale, b_zero=None, bias=None):
    low, high = min(0.0, float(a.min())), max(0.0, float(a.max()))
    # The scale is defined in float32: what is divided by it must see the same one.
    scale = np.float64((np.float32(high) - np.float32(low)) / np.float32(255))
    zero = rounded(np.float64(-low) / scale, 0, np.uint8, 2)
    q = rounded(wide(a) / scale, zero, np.uint8, 1)
    return matmul_integer_to_float(q, b, scale, b_scale, zero, b_zero, bias)


# Operator -> its exact form, and which inputs are multiplied.
PRODUCTS = {"ConvInteger": (conv_integer, 0, 1), "QLinearConv": (qlinear_conv, 0, 3), "MatMulInteger": (matmul_integer, 0, 1),
            "QLinearMatMul": (qlinear_matmul, 0, 3), "QGemm": (qgemm, 0, 3), "MatMulIntegerToFloat": (matmul_integer_to_float, 0, 1),
            "DynamicQuantizeMatMul": (dynamic_quantize_matmul, 0, 1)}


def exact_on_every_processor(op, inputs):
    """Whether onnxruntime's sums are exact with or without VNNI: never uint8 times int8, or no two products beyond 16 bits."""
    _, left, right = PRODUCTS[op]
    a, b = inputs[left], inputs[right]
    if a.dtype.kind == "f":  # quantized on the way, to all of uint8
        a = np.uint8([0, 255])
    largest = [int(np.abs(x.astype(np.int64)).max()) for x in (a, b)]
    return a.dtype == b.dtype or 2 * largest[0] * largest[1] <= np.iinfo(np.int16).max


def disagreement(exact, computed):
    """Where onnxruntime differs from the exact result: integers at all, floats by more than some roundings; "" if nowhere."""
    if exact.dtype != computed.dtype or exact.shape != computed.shape:
        return "got %s %s, expected %s %s" % (computed.dtype, computed.shape, exact.dtype, exact.shape)
    distance = np.abs(wide(exact) - wide(computed))
    # A sum and its bias may cancel, so a rounding of either is measured against the largest result.
    allowed = 8 * HALF_STEP_OF_FLOAT32 * np.abs(wide(exact)).max() if exact.dtype.kind == "f" else 0
    return "" if distance.max() <= allowed else "off by %g in %d places" % (distance.max(), (distance > allowed).sum())
