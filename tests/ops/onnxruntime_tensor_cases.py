"""Cases of the element-wise, activation, reduction, shape and indexing operators, in the manner of onnxruntime_cases.py,
which gives case(), normal(), pick() and rng and is put behind this file."""


def integers(low, high, *shape, dtype="int64"):
    return rng.integers(low, high, shape).astype(dtype)


def versions(*since):
    """Each version of an operator from opset 7 to 21 at its first and last opset."""
    ends = list(since[1:]) + [22]
    return sorted({v for first, end in zip(since, ends) for v in (max(first, 7), end - 1) if v >= 7})


def elementwise():
    for op, since in (("Abs", (6, 13)), ("Neg", (6, 13)), ("Ceil", (6, 13)), ("Floor", (6, 13)), ("Exp", (6, 13)), ("Sin", (7,)), ("Cos", (7,)),
                      ("Tan", (7,)), ("Atan", (7,)), ("Sinh", (9,)), ("Cosh", (9,)), ("Asinh", (9,)), ("Tanh", (6, 13)), ("Erf", (9, 13)),
                      ("Sign", (9, 13)), ("Round", (11,)), ("Reciprocal", (6, 13)), ("IsNaN", (9, 13, 20)), ("IsInf", (10, 20))):
        for v in versions(*since):
            case(op, v, [normal(2, 3, 5) * 3])
    for op in ("Abs", "Neg", "Sign"):
        case(op, 13, [integers(-9, 9, 4, 5, dtype="int32")])
        case(op, 13, [integers(-9, 9, 4, 5)])
    for op, since in (("Sqrt", (6, 13)), ("Log", (6, 13))):
        for v in versions(*since):
            case(op, v, [np.abs(normal(7)) + np.float32(0.1)])
    for op in ("Acos", "Asin", "Atanh"):
        case(op, 9, [rng.uniform(-0.9, 0.9, (3, 4)).astype(np.float32)])
    case("Acosh", 9, [rng.uniform(1, 5, (3, 4)).astype(np.float32)])
    shapes = (((2, 3, 4), (4,)), ((3, 1), (1, 5)), ((), (2, 2)), ((2, 1, 3), (4, 1)), ((0, 3), (1, 3)))
    for op, since in (("Add", (7, 13, 14)), ("Sub", (7, 13, 14)), ("Mul", (7, 13, 14)), ("Div", (7, 13, 14))):
        for v, (a, b) in zip(itertools.cycle(versions(*since)), shapes * 2):
            case(op, v, [normal(*a), normal(*b) + np.float32(3 if op == "Div" else 0)])
        for dtype in ("int32", "int64", "float64"):
            case(op, 14, [integers(-50, 50, 4, 5, dtype=dtype), integers(1, 9, 5, dtype=dtype) * pick(1, -1)])
    for op, since in (("Greater", (7, 9, 13)), ("Less", (7, 9, 13)), ("Equal", (7, 11, 13, 19)), ("GreaterOrEqual", (12, 16)), ("LessOrEqual", (12, 16))):
        for v, (a, b) in zip(itertools.cycle(versions(*since)), shapes * 2):
            dtype = "int64" if v < 11 and op == "Equal" else "float32"
            case(op, v, [integers(-2, 3, *a, dtype=dtype), integers(-2, 3, *b, dtype=dtype)])
    for op in ("And", "Or", "Xor"):
        for a, b in shapes[:4]:
            case(op, 7, [integers(0, 2, *a, dtype="bool"), integers(0, 2, *b, dtype="bool")])
    case("Not", 7, [integers(0, 2, 9, dtype="bool")])
    for base in ("float32", "float64", "int32", "int64"):
        for exponent in ("float32", "int32", "int64"):
            for v in (13, 15):
                case("Pow", v, [integers(1, 6, 3, 4, dtype=base), integers(0, 4, 4, dtype=exponent)])
    case("Pow", 7, [np.abs(normal(3, 4)), normal(4)])
    for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"):
        low = 0 if dtype[0] == "u" else -90
        divisor = integers(1, 9, 5, dtype=dtype) * np.array([1, 1, 1, 1, 1] if dtype[0] == "u" else [1, -1, 1, -1, 1], dtype)
        for fmod in ((1,) if dtype[0] == "f" else (0, 1)):
            case("Mod", pick(10, 13), [integers(low, 91, 4, 5, dtype=dtype), divisor], fmod=fmod)
    for dtype in ("uint8", "uint32", "uint64"):
        for direction in ("LEFT", "RIGHT"):
            case("BitShift", 11, [integers(0, 200, 3, 4, dtype=dtype), integers(0, 7, 4, dtype=dtype)], direction=direction)
    for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        for dtype in ("int8", "int32", "uint16", "uint64"):
            case(op, 18, [integers(0, 100, 3, 4, dtype=dtype), integers(0, 100, 4, dtype=dtype)])
    case("BitwiseNot", 18, [integers(0, 100, 3, 4, dtype="uint16")])
    for op in ("Max", "Min", "Sum", "Mean"):
        for v in (8, 13, 20):
            case(op, v, [normal(2, 3, 4), normal(4), normal(3, 1)])
            case(op, v, [normal(1), normal(2, 3)])
            case(op, v, [normal(5)])
    for dtype in ("int32", "int64", "uint32", "uint64", "float64", "float16"):
        for op in ("Max", "Min"):
            case(op, 13, [integers(0, 50, 3, 4, dtype=dtype), integers(0, 50, 4, dtype=dtype)])
    case("Clip", 7, [normal(3, 4)], min=-0.5, max=0.5)
    case("Clip", 9, [normal(3, 4)], max=0.3)
    for v in (11, 12, 13, 21):
        low, high = np.float32(-0.4), np.float32(0.6)
        for bounds in ([low, high], [low], [None, high], [high, low], []):
            case("Clip", v, [normal(3, 4)] + bounds)
    for dtype in ("int8", "uint8", "int32", "int64", "uint32", "uint64", "float64"):
        case("Clip", 13, [integers(0, 100, 9, dtype=dtype), np.array(20, dtype), np.array(60, dtype)])
    for v in (9, 16):
        for dtype in ("float32", "int64", "uint8"):
            case("Where", v, [integers(0, 2, 3, 1, dtype="bool"), integers(0, 9, 4, dtype=dtype), integers(0, 9, 2, 1, 1, dtype=dtype)])


def casts():
    numpy_types = ("float32", "float64", "float16", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
    for a, b in itertools.permutations(numpy_types, 2):
        x = integers(0, 120, 3, 4, dtype=a) if a != "bool" else integers(0, 2, 3, 4, dtype=a)
        if a[0] == "f":
            x = x + np.array(0.6, a)
        case("Cast", pick(9, 13, 19, 21), [x], to=helper.np_dtype_to_tensor_dtype(np.dtype(b)))
    for a in ("float32", "float16"):
        case("CastLike", pick(15, 19), [normal(3, 4).astype(a), np.float64([1])])


def activation():
    for op, since, attributes in (
            ("Relu", (6, 13, 14), {}), ("LeakyRelu", (6, 16), {}), ("LeakyRelu", (6, 16), {"alpha": 0.3}), ("Elu", (6,), {"alpha": 1.7}), ("Selu", (6,), {}),
            ("Selu", (6,), {"alpha": 1.2, "gamma": 0.8}), ("Celu", (12,), {"alpha": 2.0}), ("Sigmoid", (6, 13), {}), ("HardSigmoid", (6,), {}),
            ("HardSigmoid", (6,), {"alpha": 0.3, "beta": 0.6}), ("HardSwish", (14,), {}), ("Mish", (18,), {}), ("Softplus", (1,), {}), ("Softsign", (1,), {}),
            ("ThresholdedRelu", (10,), {"alpha": 0.7}), ("Shrink", (9,), {"lambd": 0.4, "bias": 0.2}), ("Gelu", (20,), {}), ("Gelu", (20,), {"approximate": "tanh"})):
        for v in versions(*since):
            case(op, v, [normal(2, 3, 7) * 4], **attributes)
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        for v in (7, 11, 12, 13, 21):
            for axis in (None, 0, 1, 2) + ((-1, -3) if v >= 11 else ()):
                case(op, v, [normal(2, 3, 4, 5) * 5], axis=axis)
            case(op, v, [normal(6, 2)])
    for v in (7, 9, 16):
        for slope in ((1,), (3, 1, 1), (5,), (1, 3, 1, 5)):
            case("PRelu", v, [normal(2, 3, 4, 5), normal(*slope)])
    for v in (7, 10, 12, 13):
        case("Dropout", v, [normal(3, 4)])


def reduction():
    axes_input = {"ReduceSum": 13}
    for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"):
        for v in (7, 11, 12, 13, 17, 18, 20):
            by_input = v >= axes_input.get(op, 18)
            for axes in (None, [1], [0, 2], [-1, 1], [0, 1, 2, 3]):
                if axes and min(axes) < 0 and v < 11:
                    continue
                x = [np.abs(normal(2, 3, 4, 5)) + np.float32(0.1)]
                keep = pick(None, 0, 1)
                if by_input:
                    case(op, v, x + ([np.int64(axes)] if axes else []), keepdims=keep, noop_with_empty_axes=None if axes else pick(None, 0))
                else:
                    case(op, v, x, axes=axes, keepdims=keep)
        case(op, 13, [integers(1, 4, 2, 3, 2, dtype="int32")], **({} if op == "ReduceSum" else {"axes": [1]}))
    for op in ("ArgMax", "ArgMin"):
        for v in (7, 11, 12, 13):
            for axis in (None, 1, 2) + ((-1,) if v >= 11 else ()):
                for last in ((None, 1) if v >= 12 else (None,)):
                    case(op, v, [integers(0, 3, 3, 4, 5, dtype="float32")], axis=axis, keepdims=pick(None, 0), select_last_index=last)
    for v in (11, 14):
        for axis in (0, 1, -1):
            for exclusive, reverse in itertools.product((0, 1), (0, 1)):
                case("CumSum", v, [normal(2, 3, 4), np.int32(axis)], exclusive=exclusive, reverse=reverse)
    case("TopK", 7, [normal(3, 7)], 2, k=3)
    for v in (10, 11, 21):
        for axis in (None, 0, 1) + ((-2,) if v >= 11 else ()):
            case("TopK", v, [normal(4, 5, 6), np.int64([3])], 2, axis=axis, largest=pick(None, 0) if v >= 11 else None)
    case("TopK", 11, [integers(0, 3, 5, 20, dtype="float32"), np.int64([9])], 2)


def shape():
    for v in (7, 13):
        case("Shape", v, [normal(2, 3, 4)])
        case("Size", v, [normal(2, 3, 4)])
    for start, end in ((None, None), (1, None), (-1, None), (0, -1), (-5, 9), (2, 1)):
        case("Shape", 15, [normal(2, 3, 4)], start=start, end=end)
    for v in (7, 13, 14, 19):
        for target in ([24], [-1], [4, -1], [0, 12], [0, -1, 2], [2, 0, 4, 1]):
            case("Reshape", v, [normal(2, 3, 4), np.int64(target)])
    case("Reshape", 14, [np.zeros((0, 3), np.float32), np.int64([3, 0])], allowzero=1)
    for v in (7, 9, 11, 13):
        for axis in (None, 0, 1, 2, 3) + ((-1, -2) if v >= 11 else ()):
            case("Flatten", v, [normal(2, 3, 4)], axis=axis)
    for v, by_input in ((7, False), (11, False), (13, True), (21, True)):
        for axes in ([0], [0, 2], [2]) + (([-1],) if v >= 11 else ()):
            x = normal(1, 3, 1, 1)
            case("Squeeze", v, [x, np.int64(axes)] if by_input else [x], **({} if by_input else {"axes": axes}))
        for axes in ([0], [1, 3], [3, 0]) + (([-1, -2], [-4, 1]) if v >= 11 else ()):
            x = normal(2, 3)
            case("Unsqueeze", v, [x, np.int64(axes)] if by_input else [x], **({} if by_input else {"axes": axes}))
        case("Squeeze", v, [normal(1, 3, 1)])
    for v in (7, 13):
        case("Transpose", v, [normal(2, 3, 4)])
        case("Transpose", v, [normal(2, 3, 4)], perm=[1, 2, 0])
        case("Identity", v, [normal(2, 3)])
        case("Tile", v, [normal(2, 3), np.int64([2, 3])])
        case("Tile", v, [integers(0, 2, 2, 1, 2, dtype="bool"), np.int64([1, 2, 1])])
    for v in (8, 13):
        for target in ([2, 3, 4], [3, 1], [1], [2, 1, 1]):
            case("Expand", v, [normal(3, 1), np.int64(target)] if target != [1] else [normal(3, 1), np.int64(target)])
    for v in (9, 20):
        case("ConstantOfShape", v, [np.int64([2, 3])])
        for dtype in ("float32", "int64", "bool", "uint8", "float16"):
            case("ConstantOfShape", v, [np.int64([2, 3])], value=numpy_helper.from_array(np.array([1], dtype)))
    for dtype, (a, b, c) in (("float32", (1, 4, 0.7)), ("float64", (3, -1, -0.4)), ("int64", (2, 11, 3)), ("int32", (9, 0, -2)), ("int64", (3, 3, 1)), ("int64", (5, 3, 1))):
        case("Range", 11, [np.array(v, dtype) for v in (a, b, c)])


def indexing():
    for v in (7, 11, 13):
        for axis in (None, 1, 2) + ((-1,) if v >= 11 else ()):
            low = -3 if v >= 11 else 0
            for index in (np.array(1), integers(low, 3, 2), integers(low, 3, 2, 3), integers(low, 3, 1, 1), np.zeros((0,), np.int64)):
                case("Gather", v, [normal(3, 4, 5), index.astype(pick("int32", "int64"))], axis=axis)
    for v in (11, 13):
        for axis in (None, 1, -1):
            case("GatherElements", v, [normal(3, 4, 5), integers(-3, 3, 2, 4, 3)], axis=axis)
    for batch, index in ((0, (2, 1)), (0, (2, 2)), (0, (4, 2, 3)), (1, (3, 1)), (1, (3, 2, 2)), (2, (3, 4, 1))):
        case("GatherND", pick(12, 13), [normal(3, 4, 5), integers(-3, 3, *index)], batch_dims=batch)
    for v in (11, 13, 16, 18):
        for axis in (None, 1, -1):
            index = np.stack([rng.permutation(3) for _ in range(8)], -1).reshape(3, 2, 4)
            if axis in (1, -1):
                index = np.moveaxis(index, 0, 1) if axis == 1 else np.moveaxis(index, 0, 2)
            case("ScatterElements", v, [normal(4, 4, 4), index, normal(*index.shape)], axis=axis)
            if v >= 16:
                for reduction_name in ("add", "mul") + (("max", "min") if v >= 18 else ()):
                    case("ScatterElements", v, [normal(4, 4, 4), integers(-4, 4, 3, 2, 4), normal(3, 2, 4)], axis=axis, reduction=reduction_name)
        case("ScatterND", v, [normal(5, 4), np.int64([[3], [0]]), normal(2, 4)])
        case("ScatterND", v, [normal(5, 4), np.int64([[3, 1], [-1, 0]]), normal(2)])
        if v >= 16:
            for reduction_name in ("add", "mul") + (("max", "min") if v >= 18 else ()):
                case("ScatterND", v, [normal(5, 4), np.int64([[3], [0], [3]]), normal(3, 4)], reduction=reduction_name)
    case("Slice", 7, [normal(4, 5, 6)], starts=[1, -3], ends=[4, 1000], axes=[0, 2])
    case("Slice", 9, [normal(4, 5, 6)], starts=[1], ends=[-1])
    far = 2**31 - 1
    for v in (10, 11, 13):
        for _ in range(14):
            axes = sorted(rng.choice(3, pick(1, 2, 3), replace=False))
            starts = [int(pick(-far, -7, -2, 0, 1, 3, far)) for _ in axes]
            steps = [int(pick(-3, -2, -1, 1, 2, 7)) for _ in axes]
            # Backwards, onnxruntime takes the largest integer for "to the first element", where the standard clamps it.
            ends = [int(pick(-far, -7, -1, 0, 2, 4, far if step > 0 else 3)) for step in steps]
            kind = pick("int32", "int64")
            case("Slice", v, [normal(4, 5, 6)] + [np.array(a, kind) for a in (starts, ends, [a - 3 * pick(0, 1) for a in axes], steps)])
        case("Slice", v, [normal(4, 5, 6), np.int64([1, 2]), np.int64([3, 4])])
    for v in (7, 11):
        case("Split", v, [normal(4, 6)], 3, axis=1)
        case("Split", v, [normal(4, 6)], 2, split=[1, 3])
    case("Split", 13, [normal(4, 6), np.int64([1, 2, 3])], 3, axis=-1)
    case("Split", 13, [normal(4, 6)], 2)
    case("Split", 18, [normal(4, 7)], 3, axis=1, num_outputs=3)
    case("Split", 18, [normal(4, 7), np.int64([7, 0])], 2, axis=1)
    for v in (7, 11, 13):
        for axis in (0, 1, 2) + ((-1,) if v >= 11 else ()):
            parts = [[2, 3, 4] for _ in range(3)]
            for i, part in enumerate(parts):
                part[axis] = i + 1
            case("Concat", v, [normal(*part) for part in parts], axis=axis)
    pads = ([0, 0, 1, 2, 0, 0, 3, 1], [1, 0, 0, 2, 0, 1, 1, 0], [0, 0, -1, 0, 0, 0, 1, -2])
    for mode in ("constant", "reflect", "edge"):
        for pad in pads:
            if mode != "constant" and min(pad) < 0:
                continue
            case("Pad", pick(7, 10), [normal(2, 3, 5, 6)], mode=mode, pads=pad, value=1.5)
            for v in (11, 13, 18, 19, 21):
                case("Pad", v, [normal(2, 3, 5, 6), np.int64(pad)] + pick([], [np.float32(2.5)]), mode=mode)
        case("Pad", 18, [normal(2, 3, 5, 6), np.int64([1, 2, 0, 1]), None, np.int64([2, -1])], mode=mode)
    for pad in pads[:2]:
        case("Pad", 19, [normal(2, 3, 5, 6), np.int64(pad)], mode="wrap")
    for dtype in ("int64", "float32"):
        for axis in (None, 0, 1):
            case("OneHot", 11, [integers(-6, 7, 2, 3, dtype="int64"), np.array(5, "int64"), np.array([1, 4], dtype)], axis=axis)
    for v in (9, 13):
        case("NonZero", v, [integers(0, 2, 3, 4, dtype="float32")])
    for v in (9, 11):
        case("Compress", v, [normal(3, 4), np.array([0, 1, 1], bool)], axis=0)
        case("Compress", v, [normal(3, 4), np.array([0, 1, 1, 0, 1], bool)])
    for axis, is_sorted in itertools.product((None, 0, 1), (0, 1)):
        case("Unique", 11, [integers(0, 2, 4, 3, dtype="float32")], 4, axis=axis, sorted=is_sorted)
    case("ReverseSequence", 10, [normal(4, 3, 2), np.int64([1, 4, 2])])
    case("ReverseSequence", 10, [normal(4, 3, 2), np.int64([1, 3, 2, 2])], batch_axis=0, time_axis=1)
    for upper, k in itertools.product((0, 1), (None, -2, 1, 9)):
        case("Trilu", 14, [normal(2, 4, 5)] + ([np.int64(k)] if k is not None else []), upper=upper)
    for k, dtype in itertools.product((None, 1, -2), (None, 1, 7)):
        case("EyeLike", 9, [normal(4, 3)], k=k, dtype=dtype)


def large():
    """Larger tensors, so that vectorised and parallel paths of LibTorch are met."""
    for op in ("Add", "Mul", "Div", "Max"):
        case(op, 14 if op != "Max" else 13, [normal(3, 64, 33, 31), np.abs(normal(64, 1, 1)) + np.float32(0.5)])
    for op in ("Softmax", "LogSoftmax"):
        for axis in (1, 3):
            case(op, 13, [normal(3, 64, 33, 31)], axis=axis)
    for op in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2"):
        for axes in ([2, 3], [1], [0, 2, 3]):
            case(op, 12, [normal(3, 64, 33, 31)], axes=axes)
    for op in ("Erf", "Tanh", "Sigmoid", "Exp"):
        case(op, 13, [normal(5, 70001)])
    case("Transpose", 13, [normal(3, 64, 33, 31)], perm=[0, 2, 3, 1])
    case("Gather", 13, [normal(1000, 65), integers(0, 1000, 3, 77)])
    case("TopK", 11, [normal(3, 8400), np.int64([300])], 2)
