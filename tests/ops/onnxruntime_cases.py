"""Single-operator models with the outputs onnxruntime computes: onnxruntime_cases.py FAMILY OUT_DIR

Products of 8-bit whole numbers are judged by exact_products.py where onnxruntime's depend on the processor; that file,
integer_product_cases.py and onnxruntime_tensor_cases.py are put before this one. Every case becomes a folder with model.onnx, input_I.pb and output_I.pb. Shapes and attributes are drawn from a seeded
generator, so that each run sees the same cases.
"""
import itertools
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(11)
cases = []


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def pick(*choices):
    return choices[rng.integers(len(choices))]


def case(op, version, inputs, outputs=1, domain="", **attributes):
    cases.append((op, version, inputs, outputs, domain, {k: v for k, v in attributes.items() if v is not None}))


def convolution():
    for i in range(36):
        rank = i % 3 + 1
        group = pick(1, 1, 2, 4)
        kernel = [pick(1, 2, 3) for _ in range(rank)]
        auto_pad = pick("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
        dilations = [1] * rank if auto_pad.startswith("SAME") else [pick(1, 1, 2) for _ in range(rank)]
        strides = pick(None, [pick(1, 2, 3) for _ in range(rank)])
        pads = [pick(0, 1, 2) for _ in range(2 * rank)] if auto_pad == "NOTSET" and rng.random() < 0.8 else None
        x = normal(2, 4, *[pick(7, 8, 9, 10) for _ in range(rank)])
        w = normal(8, 4 // group, *kernel)
        inputs = [x, w] + ([normal(8)] if rng.random() < 0.5 else [])
        case("Conv", pick(7, 11, 13), inputs, group=group, auto_pad=auto_pad if auto_pad != "NOTSET" else None,
             dilations=pick(None, dilations) if max(dilations) == 1 else dilations, strides=strides, pads=pads,
             kernel_shape=pick(None, kernel))
    for i in range(36):
        rank = i % 2 + 1 if i % 6 else 3
        group = pick(1, 1, 2)
        kernel = [pick(2, 3, 4) for _ in range(rank)]
        strides = [pick(1, 2, 3) for _ in range(rank)]
        size = [pick(4, 5, 6) for _ in range(rank)]
        x, w = normal(2, 4, *size), normal(4, 3, *kernel)
        inputs = [x, w] + ([normal(3 * group)] if rng.random() < 0.5 else [])
        style = pick("pads", "pads", "pads", "output_shape", "auto")
        attributes = {"group": group, "strides": strides}
        if style == "pads":
            attributes["pads"] = [pick(0, 1) for _ in range(2 * rank)]
            attributes["output_padding"] = [pick(0, s - 1) for s in strides]
            attributes["dilations"] = [pick(1, 1, 2) for _ in range(rank)]
        elif style == "output_shape":
            full = [s * (n - 1) + k for s, n, k in zip(strides, size, kernel)]
            attributes["output_shape"] = [f - pick(0, 1, 2) for f in full]
            attributes["auto_pad"] = pick("NOTSET", "SAME_UPPER", "SAME_LOWER")
        elif all(k >= s for k, s in zip(kernel, strides)):
            attributes["auto_pad"] = pick("SAME_UPPER", "SAME_LOWER", "VALID")
        case("ConvTranspose", pick(7, 11), inputs, **attributes)
    integer_convolutions()
    for activation, parameters in (("Relu", None), ("LeakyRelu", [0.2]), ("Clip", [-0.5, 1.0]), ("HardSigmoid", [0.3, 0.4]), ("Tanh", None), ("Sigmoid", None)):
        case("FusedConv", 1, [normal(1, 3, 6, 6), normal(4, 3, 3, 3), normal(4)], domain="com.microsoft", activation=activation,
             activation_params=parameters, pads=[1, 1, 1, 1])


def pooling():
    for i in range(72):
        rank = i % 3 + 1
        kernel = [pick(2, 3) for _ in range(rank)]
        auto_pad = pick("NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
        strides = pick(None, [pick(1, 2, 3) for _ in range(rank)])
        pads = [pick(0, 1) for _ in range(2 * rank)] if auto_pad == "NOTSET" and rng.random() < 0.7 else None
        ceil = pick(0, 1) if auto_pad == "NOTSET" else None
        attributes = dict(kernel_shape=kernel, strides=strides, pads=pads, auto_pad=auto_pad if auto_pad != "NOTSET" else None)
        x = normal(2, 3, *[pick(6, 7, 8) for _ in range(rank)])
        kind = pick("MaxPool", "MaxPool", "AveragePool", "AveragePool", "LpPool")
        dilations = [pick(1, 1, 2) for _ in range(rank)] if auto_pad == "NOTSET" else None
        if kind == "MaxPool":
            outputs = pick(1, 2)
            case("MaxPool", 12, [x], outputs, ceil_mode=ceil, dilations=dilations, storage_order=pick(0, 0, 1) if outputs == 2 and rank > 1 else None, **attributes)
        elif kind == "AveragePool":
            opset = pick(7, 10, 11, 19)
            case("AveragePool", opset, [x], count_include_pad=pick(None, 0, 1), ceil_mode=ceil if opset >= 10 and pick(0, 1) else None,
                 dilations=dilations if opset == 19 else None, **attributes)
        else:
            case("LpPool", 11, [x], p=pick(None, 1, 2, 3), **attributes)
    for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
        for size in ([5], [4, 6], [3, 4, 5]):
            case(op, 7, [normal(2, 3, *size)])
    case("GlobalLpPool", 7, [normal(2, 3, 4, 4)], p=3)
    x = normal(1, 2, 6, 6)
    session = make_session(make_model("MaxPool", 12, [x], 2, "", {"kernel_shape": [2, 2], "strides": [2, 2]}))
    values, indices = session.run(None, {"x0": x})
    case("MaxUnpool", 11, [values, indices], kernel_shape=[2, 2], strides=[2, 2])
    for op, zero in (("QLinearAveragePool", 0), ("QLinearGlobalAveragePool", 0)):
        q = rng.integers(0, 256, (1, 3, 6, 6)).astype(np.uint8)
        attributes = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]} if op == "QLinearAveragePool" else {"channels_last": 0}
        case(op, 1, [q, np.float32(0.05), np.uint8(12), np.float32(0.04), np.uint8(30)], domain="com.microsoft", **attributes)


def normalization():
    for rank in range(2, 6):
        x = normal(2, 3, *[pick(2, 3, 4) for _ in range(rank - 2)])
        parameters = [normal(3), normal(3), normal(3), np.abs(normal(3)) + 0.1]
        for opset in (7, 9, 14, 15):
            case("BatchNormalization", opset, [x] + parameters, epsilon=pick(None, 1e-2))
        if rank > 2:
            case("InstanceNormalization", 7, [x, normal(3), normal(3)], epsilon=0.1)
    case("BatchNormalization", 15, [normal(4, 3, 5)] + [normal(3), normal(3), normal(3), np.abs(normal(3)) + 0.1], 3, training_mode=1, momentum=0.8)
    for axis in (-1, 1, 2, -2, 0):
        x = normal(2, 3, 4, 5)
        shape = x.shape[axis:]
        case("LayerNormalization", 17, [x, normal(*shape), normal(*shape)], 1, axis=axis, epsilon=pick(None, 1e-2))
        case("LayerNormalization", 17, [x, normal(*shape)], 3, axis=axis)
    case("GroupNormalization", 21, [normal(2, 6, 4, 4), normal(6), normal(6)], num_groups=3, epsilon=0.01)
    for axis, p in itertools.product((-1, 1, 0), (1, 2)):
        case("LpNormalization", 7, [normal(3, 4, 5)], axis=axis, p=p)
    case("MeanVarianceNormalization", 13, [normal(2, 3, 4, 5)])
    for size in (1, 3, 5):
        case("LRN", 13, [normal(2, 7, 3, 4)], size=size, alpha=0.02, beta=0.6, bias=1.3)
    case("SimplifiedLayerNormalization", 17, [normal(2, 5, 8), normal(8)], axis=-1, epsilon=1e-5)


def matmul():
    for i in range(16):
        ta, tb = pick(0, 1), pick(0, 1)
        a, b = normal(*((4, 3) if ta else (3, 4))), normal(*((5, 4) if tb else (4, 5)))
        c = pick(None, normal(5), normal(3, 1), normal(3, 5), normal(1), np.float32(0.7) + normal()[()])
        case("Gemm", pick(11, 13), [a, b] + ([np.float32(c)] if c is not None else []), alpha=pick(None, 2.0, 0.5), beta=pick(None, 0.5), transA=ta, transB=tb)
    for a, b in (((4,), (4,)), ((4,), (4, 3)), ((2, 4), (4,)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((3, 4), (2, 4, 3))):
        case("MatMul", 13, [normal(*a), normal(*b)])
    case("MatMul", 13, [rng.integers(-9, 9, (3, 4)).astype(np.int32), rng.integers(-9, 9, (4, 2)).astype(np.int32)])
    for equation, shapes in (("ij,jk->ik", ((3, 4), (4, 5))), ("bij, bjk -> bik", ((2, 3, 4), (2, 4, 5))), ("...ij->...ji", ((2, 3, 4),)),
                             ("ii->i", ((3, 3),)), ("bhid,bhjd->bhij", ((2, 2, 3, 4), (2, 2, 5, 4))), ("ij->", ((3, 4),)), ("i,j", ((3,), (4,)))):
        case("Einsum", 12, [normal(*s) for s in shapes], equation=equation)
    case("Det", 11, [normal(2, 3, 4, 4)])
    integer_matrix_products()
    case("FusedMatMul", 1, [normal(2, 4, 3), normal(2, 5, 4)], domain="com.microsoft", alpha=0.3, transA=1, transB=1)
    case("FusedGemm", 1, [normal(3, 4), normal(4, 5), normal(5)], domain="com.microsoft", activation="LeakyRelu", activation_alpha=0.2)


def recurrent():
    for i in range(54):
        op = ("RNN", "GRU", "LSTM")[i % 3]
        gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[op]
        direction = pick("forward", "reverse", "bidirectional")
        d = 2 if direction == "bidirectional" else 1
        steps, batch, size, hidden = 5, pick(1, 3), 4, 3
        x = normal(steps, batch, size)
        inputs = [x, normal(d, gates * hidden, size), normal(d, gates * hidden, hidden)]
        inputs.append(pick(None, normal(d, 2 * gates * hidden)))
        inputs.append(pick(None, rng.integers(1, steps + 1, batch).astype(np.int32)))
        inputs.append(pick(None, normal(d, batch, hidden)))
        attributes = dict(hidden_size=hidden, direction=direction)
        if op == "LSTM":
            inputs.append(pick(None, normal(d, batch, hidden)))
            inputs.append(pick(None, normal(d, 3 * hidden)))
            if rng.random() < 0.2:
                attributes["input_forget"] = 1
        if op == "GRU":
            attributes["linear_before_reset"] = pick(0, 1)
        if rng.random() < 0.3:
            attributes["clip"] = 0.4
        if rng.random() < 0.4:
            one = {"RNN": ["Relu"], "GRU": ["HardSigmoid", "Softsign"], "LSTM": ["HardSigmoid", "Relu", "Tanh"]}[op]
            attributes["activations"] = one * d
            if op != "RNN" and "clip" not in attributes:
                attributes["activation_alpha"] = [0.3] * d
                attributes["activation_beta"] = [0.4] * d
        while inputs[-1] is None:
            inputs.pop()
        case(op, pick(7, 14), inputs, 3 if op == "LSTM" else 2, **attributes)


def resize():
    modes = ("nearest", "linear", "cubic")
    coordinates = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric")
    for mode, coordinate, (scales, sizes) in itertools.product(modes, coordinates, (([2.0, 2.0], None), ([0.5, 2.0], None), ([3.0, 1.5], None), (None, [7, 9]), (None, [3, 5]))):
        if coordinate == "half_pixel_symmetric" and mode == "nearest" and sizes:
            continue
        attributes = dict(mode=mode, coordinate_transformation_mode=coordinate)
        if mode == "nearest":
            attributes["nearest_mode"] = pick("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
        if mode == "cubic":
            attributes["cubic_coeff_a"] = pick(-0.75, -0.5)
            attributes["exclude_outside"] = pick(0, 1)
        x = normal(1, 2, 4, 6)
        opset = 19 if coordinate == "half_pixel_symmetric" else pick(11, 13, 18)
        inputs = [x, np.zeros(0, np.float32), np.float32([1, 1] + scales) if scales else None if opset >= 13 else np.zeros(0, np.float32)]
        case("Resize", opset, inputs + ([np.int64([1, 2] + sizes)] if sizes else []), **attributes)
    for scales in ([2.0, 2.0], [1.0, 3.0], [0.5, 0.6]):
        for mode in ("nearest", "linear"):
            case("Resize", 10, [normal(1, 2, 6, 5), np.float32([1, 1] + scales)], mode=mode)
            if min(scales) >= 1:
                case("Upsample", 9, [normal(1, 2, 4, 5), np.float32([1, 1] + scales)], mode=mode)
                case("Upsample", 7, [normal(1, 2, 4, 5)], mode=mode, scales=[1.0, 1.0] + scales)
    for mode in ("linear", "cubic"):
        for sizes in ([3, 4], [5, 11]):
            case("Resize", 18, [normal(1, 2, 8, 9), np.zeros(0, np.float32), None, np.int64([1, 2] + sizes)], mode=mode, antialias=1)
    for policy in ("not_larger", "not_smaller"):
        case("Resize", 18, [normal(1, 2, 6, 4), np.zeros(0, np.float32), None, np.int64([9, 10])], mode="linear", axes=[2, 3], keep_aspect_ratio_policy=policy)
    case("Resize", 13, [normal(1, 1, 5, 6), np.float32([0, 0, 0.2, 0.3, 1, 1, 0.9, 1.2]), None, np.int64([1, 1, 4, 5])], mode="linear",
         coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=7.0)
    case("Resize", 13, [normal(2, 3, 6), np.zeros(0, np.float32), np.float32([1, 1, 2.5])], mode="linear")
    case("Resize", 13, [normal(1, 2, 3, 4, 4), np.zeros(0, np.float32), np.float32([1, 1, 2, 1.5, 2])], mode="linear")
    case("Resize", 13, [rng.integers(0, 256, (1, 2, 4, 4)).astype(np.uint8), np.zeros(0, np.float32), np.float32([1, 1, 2, 3])], mode="nearest")
    for mode in ("DCR", "CRD"):
        case("DepthToSpace", 13, [normal(2, 12, 3, 4)], blocksize=2, mode=mode)
    case("SpaceToDepth", 13, [normal(2, 3, 4, 6)], blocksize=2)
    for mode, padding, align in itertools.product(("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (0, 1)):
        grid = rng.uniform(-1.4, 1.4, (2, 3, 4, 2)).astype(np.float32)
        case("GridSample", 16, [normal(2, 3, 5, 6), grid], mode=mode, padding_mode=padding, align_corners=align)
    for align in (0, 1):
        case("AffineGrid", 20, [normal(2, 2, 3), np.int64([2, 3, 4, 5])], align_corners=align)
    case("Col2Im", 18, [normal(2, 3 * 6, 16), np.int64([5, 6]), np.int64([2, 3])])
    case("CenterCropPad", 18, [normal(5, 8, 3), np.int64([8, 5])], axes=[0, 1])


def detection():
    for i in range(12):
        n, classes, count = 2, 3, 30
        centers, extents = rng.uniform(0, 10, (n, count, 2)), rng.uniform(0.5, 4, (n, count, 2))
        center_point = i % 2
        boxes = np.concatenate([centers, extents] if center_point else [centers - extents / 2, centers + extents / 2], 2).astype(np.float32)
        scores = rng.uniform(0, 1, (n, classes, count)).astype(np.float32)
        inputs = [boxes, scores, np.int64([pick(0, 3, 20)]), np.float32([pick(0.0, 0.3, 0.6)]), np.float32([pick(0.0, 0.5)])]
        case("NonMaxSuppression", pick(10, 11), inputs, center_point_box=center_point)
    for i in range(24):
        rois = np.concatenate([rng.uniform(-2, 12, (7, 2)), rng.uniform(4, 30, (7, 2))], 1).astype(np.float32)
        images = rng.integers(0, 2, 7)
        mode = pick("avg", "avg", "max")
        opset = pick(10, 16)
        case("RoiAlign", opset, [normal(2, 3, 12, 14), rois, images], mode=mode, output_height=pick(1, 3), output_width=pick(2, 4),
             sampling_ratio=pick(0, 2, 3), spatial_scale=pick(1.0, 0.5), coordinate_transformation_mode=pick(None, "half_pixel", "output_half_pixel") if opset == 16 else None)
    # Corners are multiples of 1/spatial_scale and inside the image, where every implementation rounds alike.
    for shape in ([2, 2], [3, 4]):
        rois = np.float32([[0, 0, 0, 16, 18], [1, 4, 2, 20, 16], [1, 6, 6, 8, 8]])
        case("MaxRoiPool", 7, [normal(2, 3, 12, 14), rois], pooled_shape=shape, spatial_scale=0.5)


def quantize():
    for dtype in (np.uint8, np.int8, np.uint16, np.int16):
        info = np.iinfo(dtype)
        zero = dtype(info.min + (info.max - info.min) // 3)
        x = (rng.uniform(-2, 2, (3, 4, 5)) * (info.max - info.min) * 0.02).astype(np.float32)
        opset = 21 if dtype in (np.uint16, np.int16) else pick(10, 13, 19)
        case("QuantizeLinear", opset, [x, np.float32(0.023), zero])
        q = rng.integers(info.min, info.max + 1, (3, 4, 5)).astype(dtype)
        case("DequantizeLinear", opset, [q, np.float32(0.023), zero])
        scales = rng.uniform(0.01, 0.1, 4).astype(np.float32)
        zeros = rng.integers(info.min, info.max, 4).astype(dtype)
        case("QuantizeLinear", 21, [x, scales, zeros], axis=1)
        case("DequantizeLinear", 21, [q, scales, zeros], axis=-2)
        blocks = rng.uniform(0.01, 0.1, (3, 2, 5)).astype(np.float32)
        block_zeros = rng.integers(info.min, info.max, (3, 2, 5)).astype(dtype)
        case("QuantizeLinear", 21, [x, blocks, block_zeros], axis=1, block_size=2)
        case("DequantizeLinear", 21, [q, blocks, block_zeros], axis=1, block_size=2)
    # Exact halves round to even.
    case("QuantizeLinear", 13, [np.arange(-10, 10).astype(np.float32) / 2, np.float32(1), np.int8(0)])
    case("DequantizeLinear", 13, [rng.integers(-9999, 9999, (3, 4)).astype(np.int32), np.float32(0.01)])
    for x in (normal(3, 4), np.abs(normal(3, 4)) + 1, -np.abs(normal(3, 4)) - 1, np.zeros((2, 2), np.float32)):
        case("DynamicQuantizeLinear", 11, [x], 3)


def attention():
    b, s, heads, d = 2, 5, 2, 4
    hidden = heads * d
    x, w, bias = normal(b, s, hidden), normal(hidden, 3 * hidden), normal(3 * hidden)
    ms = "com.microsoft"
    case("Attention", 1, [x, w, bias], domain=ms, num_heads=heads)
    case("Attention", 1, [x, w, bias], domain=ms, num_heads=heads, unidirectional=1)
    case("Attention", 1, [x, w, bias, np.int32([5, 3])], domain=ms, num_heads=heads)
    mask = np.ones((b, s), np.int32)
    mask[1, 3:] = 0
    case("Attention", 1, [x, w, bias, mask], domain=ms, num_heads=heads)
    case("Attention", 1, [x, w, bias, mask, normal(2, b, heads, 0, d)], 2, domain=ms, num_heads=heads)
    case("Attention", 1, [x, w, bias, None, None, normal(b, heads, s, s)], domain=ms, num_heads=heads)
    v_hidden = heads * 6
    case("Attention", 1, [x, normal(hidden, 2 * hidden + v_hidden), normal(2 * hidden + v_hidden)], domain=ms, num_heads=heads, qkv_hidden_sizes=[hidden, hidden, v_hidden])
    q, k, v = normal(b, s, hidden), normal(b, 7, hidden), normal(b, 7, hidden)
    case("MultiHeadAttention", 1, [q, k, v], domain=ms, num_heads=heads)
    case("MultiHeadAttention", 1, [q, k, v, normal(3 * hidden)], domain=ms, num_heads=heads, scale=0.3)
    case("MultiHeadAttention", 1, [q, k, v, None, np.int32([[1] * 7, [1] * 4 + [0] * 3])], domain=ms, num_heads=heads)
    case("MultiHeadAttention", 1, [q, k, v, None, None, normal(b, heads, s, 7)], domain=ms, num_heads=heads)
    skip, gamma, beta = normal(b, s, hidden), normal(hidden), normal(hidden)
    case("SkipLayerNormalization", 1, [x, skip, gamma, beta, normal(hidden)], domain=ms, epsilon=1e-5)
    case("SkipLayerNormalization", 1, [x, skip, gamma], domain=ms)
    case("SkipSimplifiedLayerNormalization", 1, [x, skip, gamma], domain=ms)
    case("EmbedLayerNormalization", 1, [rng.integers(0, 9, (b, s)).astype(np.int32), rng.integers(0, 2, (b, s)).astype(np.int32), normal(9, hidden), normal(6, hidden),
                                        normal(2, hidden), gamma, beta], 2, domain=ms)
    case("BiasGelu", 1, [x, gamma], domain=ms)
    case("Gelu", 1, [x], domain=ms)
    case("FastGelu", 1, [x, gamma], domain=ms)
    case("QuickGelu", 1, [x], domain=ms, alpha=1.5)
    case("RotaryEmbedding", 1, [normal(b, heads, s, d), np.arange(2 * s).reshape(2, s), normal(12, d // 2), normal(12, d // 2)], domain=ms)
    case("RotaryEmbedding", 1, [normal(b, s, hidden), np.int64([3]), normal(12, d // 2), normal(12, d // 2)], domain=ms, interleaved=1)
    qa, qb = rng.integers(0, 256, (2, 3, 4)).astype(np.uint8), rng.integers(0, 256, (3, 4)).astype(np.uint8)
    sa, sb = np.float32(0.03), np.float32(0.05)
    for op in ("QLinearAdd", "QLinearMul"):
        case(op, 1, [qa, sa, np.uint8(100), qb, sb, np.uint8(140), np.float32(0.09), np.uint8(120)], domain=ms)
    case("QLinearSigmoid", 1, [qa, sa, np.uint8(100), np.float32(1 / 256), np.uint8(0)], domain=ms)
    case("QLinearLeakyRelu", 1, [qa, sa, np.uint8(100), np.float32(0.03), np.uint8(60)], domain=ms, alpha=0.2)
    case("QLinearConcat", 1, [np.float32(0.04), np.uint8(90), qa, sa, np.uint8(100), qa, sb, np.uint8(120)], domain=ms, axis=1)
    case("QLinearSoftmax", 1, [qa, sa, np.uint8(100), np.float32(1 / 256), np.uint8(0)], domain=ms, opset=13, axis=-1)


def make_model(op, opset, inputs, outputs, domain, attributes):
    names = ["x%d" % i if x is not None else "" for i, x in enumerate(inputs)]
    node = helper.make_node(op, names, ["y%d" % i for i in range(outputs)], name="node", domain=domain, **attributes)
    types = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(np.asarray(x).dtype), np.asarray(x).shape) for n, x in zip(names, inputs) if x is not None]
    graph = helper.make_graph([node], "case", types, [helper.make_empty_tensor_value_info("y%d" % i) for i in range(outputs)])
    imports = [helper.make_opsetid("", 17 if domain else opset)] + ([helper.make_opsetid(domain, opset)] if domain else [])
    return helper.make_model(graph, opset_imports=imports, ir_version=10 if opset >= 21 else 8)


def make_session(model):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def expected_outputs(model, op, inputs, feed, attributes):
    """onnxruntime's, which are checked against exact arithmetic where there is any; the exact ones where the processor decides."""
    exact = PRODUCTS[op][0](*inputs, **attributes) if op in PRODUCTS else None
    if exact is not None and not exact_on_every_processor(op, inputs):
        return [exact]
    description = "%s %s %s" % (op, attributes, [(x.dtype.name, x.shape) for x in feed.values()])
    try:
        results = make_session(model).run(None, feed)
    except Exception as error:  # onnxruntime lacks a kernel for this combination: a case to take out
        if os.environ.get("PPQ_OTHER_ONNXRUNTIME"):  # not the version that the cases were chosen for
            return None
        sys.exit("%s: %s" % (description, error))
    if exact is not None and disagreement(exact, results[0]):
        sys.exit("%s: onnxruntime against exact arithmetic: %s" % (description, disagreement(exact, results[0])))
    return results


def main(family, out_dir):
    globals()[family]()
    for number, (op, opset, inputs, outputs, domain, attributes) in enumerate(cases):
        model = make_model(op, opset, inputs, outputs, domain, attributes)
        feed = {"x%d" % i: np.asarray(x) for i, x in enumerate(inputs) if x is not None}
        results = expected_outputs(model, op, inputs, feed, attributes)
        if results is None:
            continue
        # Full type information lets the reader check the model.
        del model.graph.output[:]
        model.graph.output.extend(helper.make_tensor_value_info("y%d" % i, helper.np_dtype_to_tensor_dtype(r.dtype), r.shape) for i, r in enumerate(results))
        folder = os.path.join(out_dir, "%03d_%s_%d" % (number, op, opset))
        os.makedirs(folder)
        onnx.save(model, os.path.join(folder, "model.onnx"))
        for stem, arrays in (("input", feed.values()), ("output", results)):
            for i, array in enumerate(arrays):
                with open(os.path.join(folder, "%s_%d.pb" % (stem, i)), "wb") as file:
                    file.write(numpy_helper.from_array(np.asarray(array)).SerializeToString())
        with open(os.path.join(folder, "attributes.txt"), "w") as file:
            file.write("%s %s" % (attributes, [np.asarray(x).shape for x in inputs if x is not None]))
    print(len(cases))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
