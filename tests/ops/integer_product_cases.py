"""Cases of the operators on 8-bit whole numbers, in the manner of onnxruntime_cases.py, which gives case(), normal(), pick()
and rng and is put behind this file; their exact results are exact_products.py's."""

# Left and right operand. "small" keeps two neighbouring products below 2^15, where onnxruntime is exact on every processor.
PAIRS = (("uint8", "uint8"), ("int8", "int8"), ("uint8", "int8"), ("int8", "uint8"), ("small", "int8"))
RANGES = {"uint8": (0, 256, np.uint8), "int8": (-128, 128, np.int8), "small": (0, 128, np.uint8)}


def draw_numbers(kind, *shape):
    low, high, dtype = RANGES[kind]
    return rng.integers(low, high, shape).astype(dtype)


def draw_zero(kind, *shape):
    """Near the middle of the type, so that results are of both signs."""
    low, high, dtype = RANGES[kind]
    return (rng.integers(-9, 10, shape) + (low + high) // 2).astype(dtype)[()]


def product_case(op, version, draw, domain="", **attributes):
    """A case of the inputs draw() gives: the first ones whose exact results all round to the same number in float32."""
    given = {name: value for name, value in attributes.items() if value is not None}
    while True:
        inputs = draw()
        try:
            PRODUCTS[op][0](*inputs, **given)
            break
        except NearTie:
            pass
    case(op, version, inputs, domain=domain, **given)


def integer_convolutions():
    scale = np.float32(0.02)
    for (left, right), rank in itertools.product(PAIRS, (1, 2, 3)):
        group = pick(1, 2)
        kernel = [pick(1, 2, 3) for _ in range(rank)]
        x_shape, w_shape = [2, 4] + [pick(6, 7, 8) for _ in range(rank)], [6, 4 // group] + kernel
        attributes = dict(group=group, pads=[pick(0, 1) for _ in range(2 * rank)], strides=[pick(1, 2) for _ in range(rank)],
                          dilations=[pick(1, 1, 2) for _ in range(rank)])
        y_zero = np.int8(5) if left == "int8" else np.uint8(120)

        def draw(weight_scale, weight_zero, bias):
            x, w = draw_numbers(left, *x_shape), draw_numbers(right, *w_shape)
            y_scale = np.float32(rng.uniform(0.2, 0.4) * np.sqrt(np.prod(w_shape[1:])))
            return [x, scale, draw_zero(left), w, weight_scale, weight_zero, y_scale, y_zero] + ([bias] if bias is not None else [])

        w_zero = draw_zero(right)
        bias = rng.integers(-5000, 5000, 6).astype(np.int32)
        product_case("QLinearConv", 10, lambda: draw(np.float32(0.03), w_zero, bias), **attributes)
        if right == "int8":
            per_channel = rng.uniform(0.01, 0.1, 6).astype(np.float32)
            product_case("QLinearConv", 10, lambda: draw(per_channel, np.zeros(6, np.int8), pick(None, bias)), **attributes)
        if (left, right) in (("uint8", "uint8"), ("uint8", "int8")):  # of the second onnxruntime has no kernel: judged by the exact result
            x, w = draw_numbers(left, *x_shape), draw_numbers(right, *w_shape)
            product_case("ConvInteger", 10, lambda: [x, w, draw_zero(left), w_zero], **attributes)


def integer_matrix_products():
    a_scale, b_scale = np.float32(0.02), np.float32(0.03)
    for (left, right), inner in itertools.product(PAIRS, (5, 300)):
        a, b = draw_numbers(left, 3, inner), draw_numbers(right, inner, 4)
        product_case("MatMulInteger", 10, lambda: [a, b])
        product_case("MatMulInteger", 10, lambda: [a, b, draw_zero(left), draw_zero(right)])
        product_case("MatMulInteger", 10, lambda: [a, b, draw_zero(left), draw_zero(right, 4)])
        y_zero = np.int8(-5) if left == "int8" else np.uint8(128)
        operands = [a, a_scale, draw_zero(left), b, b_scale, draw_zero(right)]
        spread = 0.05 * np.sqrt(inner)
        product_case("QLinearMatMul", 10, lambda: operands + [np.float32(spread * rng.uniform(0.5, 1)), y_zero])
        bias = rng.integers(-90, 90, 4).astype(np.int32)
        product_case("QGemm", 1, lambda: operands + [bias, np.float32(spread * rng.uniform(0.5, 1)), y_zero], "com.microsoft", alpha=pick(None, 0.5))
        product_case("QGemm", 1, lambda: operands, "com.microsoft")
        transposed = [a.T, a_scale, draw_zero(left), b.T, b_scale, draw_zero(right)]
        product_case("QGemm", 1, lambda: transposed, "com.microsoft", transA=1, transB=1)
        per_column = rng.uniform(0.01, 0.1, 4).astype(np.float32)
        for scale, zero in ((b_scale, draw_zero(right)), (per_column, draw_zero(right, 4))):
            x = draw_numbers(left, 2, 3, inner)
            product_case("MatMulIntegerToFloat", 1, lambda: [x, b, a_scale, scale, draw_zero(left), zero, normal(4)], "com.microsoft")
    # The left operand is quantized to all of uint8; 64 of its steps on the right stay below 2^15.
    for low, high, dtype in ((0, 256, np.uint8), (-128, 128, np.int8), (-64, 65, np.int8)):
        b, per_column = rng.integers(low, high, (6, 4)).astype(dtype), rng.uniform(0.01, 0.1, 4).astype(np.float32)
        for scale, zero in ((b_scale, dtype(2)), (per_column, rng.integers(0, 5, 4).astype(dtype))):
            product_case("DynamicQuantizeMatMul", 1, lambda: [normal(2, 3, 6), b, scale, zero, normal(4)], "com.microsoft")
