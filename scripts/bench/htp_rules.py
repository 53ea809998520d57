#!/usr/bin/env python3
"""The rules by which Qualcomm's HTP rounds, and how many integers they reproduce.

usage: scripts/bench/htp_rules.py --simulator PYTHON [--soc-models 30,43] [--operators NAME,…] [--json FILE]
Networks of one operator, 8 bits, on all or on random integers, run in the simulator. A line for each: the share of integers that differ from the
ideal (onnxruntime's QuantizeLinear and DequantizeLinear, which round the exact number, halves to even), the mean difference in steps, the
largest, and the share that the rule below does not reproduce. The rules were found by experiment: docs/htp.md. PYTHON (or $PPQ_QNN_PYTHON)
has the package onnxruntime-qnn. Needs numpy, onnx and onnxruntime.
"""
import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime as ort
except ImportError:  # the tests' own Python (scripts/setup --tests) has what is needed
    cache = os.environ.get("PPQ_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ppq_torch")
    python = pathlib.Path(cache) / "test-tools/bin/python"
    if not python.exists() or sys.executable == str(python):
        raise
    os.execv(python, [str(python), *sys.argv])

HERE = pathlib.Path(__file__).resolve().parent
ARCHITECTURES = {"30": 68, "36": 69, "43": 73, "57": 75, "69": 79}


# The rules.

def multiplier(factor, architecture):
    """(shift, mantissa) of input scale x weight scale / output scale: what is left of the sum after the shift has three to four
    binary places, and the mantissa 11 bits, from v73 on 12."""
    shift = max(0, math.floor(-3 - math.log2(factor)))
    return shift, math.floor(factor * 2.0**shift * 2**(14 if architecture < 73 else 15) + 0.5)


def products(sums, factors, zero_point, architecture):
    """Conv, Gemm and MatMul: int32 sums (with bias) [.., channels, ..] on axis 1 to output integers. Before v73 the zero point is added
    to the sum, which is cut to `shift` bits less; from v73 on the middle of what was cut counts, and the zero point is added behind."""
    made = np.empty(sums.shape, np.int64)
    for channel, factor in enumerate(factors):
        shift, mantissa = multiplier(factor, architecture)
        one = sums[:, channel]
        if architecture < 73:
            made[:, channel] = (((one + round(zero_point / factor)) >> shift) * mantissa + 2**13) >> 14
        else:
            made[:, channel] = (((2 * (one >> shift) + 1) * mantissa + 2**15) >> 16) + zero_point
    return np.clip(made, 0, 255)


def eight_bits(weights):
    """Weights less their zero point as int8 (channels first), and what their scales are multiplied by: a channel that does not fit is
    rounded again to a coarser grid."""
    flat = weights.reshape(len(weights), -1)
    coarser = np.maximum(1, np.maximum(flat.max(1) / 127, -flat.min(1) / 128))
    finer = weights / coarser.reshape(-1, *[1] * (weights.ndim - 1))
    return (np.sign(finer) * np.floor(np.abs(finer) + 0.5)).astype(np.int64), coarser


def add(a, b, scales, zero_points):
    """Add, and Sub with the second scale negative: multipliers of 14 bits for the wider side of zero, and a constant in steps of 256."""
    factors = [scales[0] / scales[2], scales[1] / scales[2]]
    places = min(15, 13 - math.floor(math.log2(max(sum(max(0, factor) for factor in factors), sum(max(0, -factor) for factor in factors)))))
    of_a, of_b = (math.floor(factor * 2**places + 0.5) for factor in factors)
    constant = (zero_points[2] * 2**places - zero_points[0] * of_a - zero_points[1] * of_b + 2**(places - 1) + 127) >> 8
    return np.clip((a * of_a + b * of_b + 256 * constant) >> places, 0, 255)


def half_up(real):
    """Tables of one variable, pools to another scale, Concat, Resize: the exact number (known to 1e-4 here), halves up."""
    return np.clip(np.floor(np.round(real, 4) + 0.5), 0, 255).astype(np.int64)


def average_pool(integers, kernel):
    """A kernel that is its own stride, input and output of one scale: the odd part of the kernel first, then 2 x 2 as often as it takes,
    rounded to integers each time."""
    sizes = []
    while kernel % 2 == 0:
        kernel, sizes = kernel // 2, [*sizes, 2]
    for size in [kernel, *sizes] if kernel > 1 else sizes:
        n, c, h, w = integers.shape
        integers = half_up(integers[:, :, :h // size * size, :w // size * size].reshape(n, c, h // size, size, w // size, size).mean((3, 5)))
    return integers


# Networks of one operator.

class Network:
    def __init__(self):
        self.nodes, self.stored, self.inputs = [], [], []

    def name(self):
        return f"t{len(self.nodes) + len(self.stored)}"

    def constant(self, value):
        self.stored.append(onnx.numpy_helper.from_array(np.asarray(value), self.name()))
        return self.stored[-1].name

    def node(self, kind, inputs, output="", **attributes):
        output = output or self.name()
        self.nodes.append(onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def real(self, integers, scale, zero_point, **axis):
        return self.node("DequantizeLinear", [integers, self.constant(np.float32(scale)), self.constant(zero_point)], **axis)

    def input(self, name, shape, scale, zero_point):
        self.inputs.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, shape))
        return self.real(name, scale, np.uint8(zero_point))

    def files(self, real, scale, zero_point, folder):
        """The network, and the same with the numbers that it rounds."""
        graph = onnx.helper.make_graph(self.nodes, "exact", self.inputs, [onnx.helper.make_tensor_value_info(real, onnx.TensorProto.FLOAT, None)], self.stored)
        self.save(graph, f"{folder}/exact.onnx")
        self.node("QuantizeLinear", [real, self.constant(np.float32(scale)), self.constant(np.uint8(zero_point))], "y")
        graph = onnx.helper.make_graph(self.nodes, "net", self.inputs, [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.UINT8, None)], self.stored)
        self.save(graph, f"{folder}/net.onnx")

    @staticmethod
    def save(graph, path):
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)], ir_version=10)
        onnx.save(onnx.shape_inference.infer_shapes(model), path)


class Case:
    """A network's last tensor and its quantization, inputs, and the rule: a function of them and of real / scale + zero point."""

    def __init__(self, network, real, scale, zero_point, feeds, rule=None):
        self.network, self.real, self.scale, self.zero_point, self.feeds = network, real, scale, zero_point, feeds
        self.rule = rule or (lambda feed, exact, architecture: half_up(exact))


def integers(rng, *shape):
    return rng.integers(0, 256, shape).astype(np.uint8)


def windows(x, kernel):
    """[n, c, h, w] to [n, c, h, w, kernel, kernel], padded with zeros."""
    pad = kernel // 2
    return np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))), (kernel, kernel), axis=(2, 3))


def conv(kernel=3, channels=16, depthwise=False, relu=False, per_channel=True, signed=True):
    def make(rng):
        net, scale, zero, size = Network(), np.float32(0.0213), 117, 32
        shape = (channels, 1 if depthwise else channels, kernel, kernel)
        weight = rng.integers(-127, 128, shape).astype(np.int8) if signed else integers(rng, *shape)
        weight_zero = np.int8(0) if signed else np.uint8(121)
        scales = (rng.uniform(0.5, 1.5, channels) * 0.0113).astype(np.float32) if per_channel else np.float32(0.0113)
        bias = rng.integers(-9000, 9000, channels).astype(np.int32)
        zeros = np.full(channels, weight_zero) if per_channel else weight_zero
        axis = {"axis": 0} if per_channel else {}
        inputs = [net.input("x", [1, channels, size, size], scale, zero), net.real(net.constant(weight), scales, zeros, **axis),
                  net.real(net.constant(bias), scale * scales, np.zeros(channels, np.int32) if per_channel else np.int32(0), **axis)]
        made = net.node("Conv", inputs, kernel_shape=[kernel, kernel], pads=[kernel // 2] * 4, group=channels if depthwise else 1)
        if relu:
            made = net.node("Relu", [made])
        out = np.float32(scale * 0.0113 * 5300 * math.sqrt(shape[1]) * kernel * 2.5 / (255 if relu else 128))
        out_zero = 0 if relu else 131
        narrow, coarser = eight_bits(weight.astype(np.int64) - weight_zero)
        factors = np.float64(scale) * np.asarray(scales, np.float64) / np.float64(out) * coarser

        def rule(feed, exact, architecture):
            x = windows(feed["x"].astype(np.int64) - zero, kernel)
            sums = np.einsum("nchwij,cij->nchw", x, narrow[:, 0]) if depthwise else np.einsum("nchwij,ocij->nohw", x, narrow)
            sums += np.round(bias / coarser).astype(np.int64).reshape(1, -1, 1, 1)
            return np.maximum(products(sums, factors, out_zero, architecture), out_zero if relu else 0)

        return Case(net, made, out, out_zero, [{"x": integers(rng, 1, channels, size, size)} for _ in range(4)], rule)

    return make


def gemm(rng):
    net, scale, rows, columns = Network(), np.float32(0.0213), 64, 40
    weight, bias = rng.integers(-127, 128, (columns, rows)).astype(np.int8), rng.integers(-9000, 9000, columns).astype(np.int32)
    inputs = [net.input("x", [1, rows], scale, 99), net.real(net.constant(weight), 0.0113, np.int8(0)),
              net.real(net.constant(bias), scale * np.float32(0.0113), np.int32(0))]
    factor = np.float64(scale) * np.float64(np.float32(0.0113)) / np.float64(np.float32(0.13))

    def rule(feed, exact, architecture):
        sums = (feed["x"].astype(np.int64) - 99) @ weight.T.astype(np.int64) + bias
        return products(sums, [factor] * columns, 128, architecture)

    return Case(net, net.node("Gemm", inputs, transB=1), 0.13, 128, [{"x": integers(rng, 1, rows)} for _ in range(100)], rule)


def two(kind, scales, zero_points, rule=None):
    def make(rng):
        net = Network()
        names = [net.input(name, [1, 8, 64, 128], scales[i], zero_points[i]) for i, name in enumerate("ab")]
        a, b = (x.astype(np.uint8).reshape(1, 8, 64, 128) for x in np.meshgrid(np.arange(256), np.arange(256)))
        exact = [float(np.float32(scale)) for scale in scales]
        return Case(net, net.node(kind, names), scales[2], zero_points[2], [{"a": a, "b": b}],
                    rule and (lambda feed, real, architecture: rule(feed["a"].astype(np.int64), feed["b"].astype(np.int64), exact, zero_points)))

    return make


def one(kind, scale, zero, out, out_zero, shape=(1, 4, 8, 8), random=0, before=(), rule=None, **attributes):
    def make(rng):
        net = Network()
        name = net.input("x", list(shape), scale, zero)
        made = net.node(kind, [name, *(net.constant(np.float32(value)) if len(value) else "" for value in before)], **attributes)
        feeds = [{"x": integers(rng, *shape)} for _ in range(random)] or [{"x": np.arange(256).astype(np.uint8).reshape(shape)}]
        return Case(net, made, out, out_zero, feeds, rule)

    return make


def pool(kernel, scale=0.0213, out=0.0213):
    same = (lambda feed, exact, architecture: average_pool(feed["x"].astype(np.int64), kernel)) if scale == out else None
    return one("AveragePool", scale, 100, out, 100, (1, 16, 48, 48), 4, rule=same, kernel_shape=[kernel, kernel], strides=[kernel, kernel])


def concat(rng):
    net = Network()
    names = [net.input(name, [1, 4, 8, 8], scale, zero) for name, scale, zero in (("a", 0.0213, 100), ("b", 0.0371, 60))]
    feed = np.arange(256).astype(np.uint8).reshape(1, 4, 8, 8)
    return Case(net, net.node("Concat", names, axis=1), 0.0309, 90, [{"a": feed, "b": feed}])


def global_pool(rng):
    case = one("GlobalAveragePool", 0.0213, 100, 0.0137, 77, (1, 16, 7, 7), 1)(rng)
    case.feeds = [{"x": np.clip(rng.normal(rng.uniform(0, 255, (1, 16, 1, 1)), 40, (1, 16, 7, 7)), 0, 255).astype(np.uint8)} for _ in range(60)]
    return case


OPERATORS = {
    "Conv 3x3": conv(), "Conv 1x1, Relu": conv(1, relu=True), "Conv 3x3, one scale": conv(per_channel=False), "Conv 3x3, depthwise": conv(depthwise=True),
    "Conv 3x3, uint8 weights": conv(per_channel=False, signed=False), "Gemm": gemm,
    "Add": two("Add", (0.0213, 0.0371, 0.0493), (100, 60, 80), add), "Add, one scale in, twice out": two("Add", (0.02, 0.02, 0.04), (128, 128, 128), add),
    "Sub": two("Sub", (0.0213, 0.0371, 0.0493), (100, 60, 120), lambda a, b, s, z: add(a, b, (s[0], -s[1], s[2]), z)),
    "Mul": two("Mul", (0.0213, 0.0371, 0.1103), (100, 60, 120)),
    "AveragePool 2x2": pool(2), "AveragePool 3x3": pool(3), "AveragePool 6x6": pool(6), "AveragePool 8x8": pool(8), "AveragePool 3x3, other scale": pool(3, out=0.0137),
    "GlobalAveragePool 7x7": global_pool, "Concat": concat, "Relu, other scale": one("Relu", 0.0313, 90, 0.0227, 0),
    "LeakyRelu": one("LeakyRelu", 0.0313, 90, 0.0271, 40, alpha=0.1), "Sigmoid": one("Sigmoid", 0.0513, 128, 1 / 256, 0), "Tanh": one("Tanh", 0.0313, 128, 1 / 128, 128),
    "HardSwish": one("HardSwish", 0.0513, 128, 0.0273, 15), "Softmax of 2": one("Softmax", 0.1031, 128, 1 / 256, 0, (640, 2), 4, axis=-1),
    "Softmax of 10": one("Softmax", 0.1031, 128, 1 / 256, 0, (64, 10), 10, axis=-1),
    "Resize linear x2": one("Resize", 0.0213, 100, 0.0213, 100, (1, 4, 24, 24), 4, before=([], [1, 1, 2, 2]), mode="linear", coordinate_transformation_mode="half_pixel"),
    "Resize nearest x2": one("Resize", 0.0213, 100, 0.0213, 100, (1, 4, 24, 24), 4, before=([], [1, 1, 2, 2]), mode="nearest",
                             coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
}


def no_simulator(python):
    """What is wrong with a simulator's Python, or nothing."""
    if not python:
        said = "no simulator: --simulator (or $PPQ_QNN_PYTHON) names a Python that has the package onnxruntime-qnn"
    else:
        try:
            done = subprocess.run([python, "-c", "import onnxruntime_qnn"], capture_output=True, text=True)
            said = "" if done.returncode == 0 else f"{python} does not have the package onnxruntime-qnn"
        except OSError as error:
            said = f"{python}: {error.strerror}"
    return said and f"{said}. Hint: python3 -m venv htp && htp/bin/pip install onnxruntime-qnn, then --simulator htp/bin/python"


def on_cpu(path, feeds):
    options = ort.SessionOptions()
    options.graph_optimization_level, options.log_severity_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL, 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, feed)[0] for feed in feeds])


def on_htp(simulator, soc, folder, feeds):
    np.savez(f"{folder}/inputs.npz", **{f"{name}/{index}": value for index, feed in enumerate(feeds) for name, value in feed.items()})
    done = subprocess.run([simulator, HERE / "htp_run.py", f"{folder}/net.onnx", f"{folder}/inputs.npz", f"{folder}/outputs.npz", f"soc_model={soc}"],
                          capture_output=True, text=True)
    if done.returncode:
        said = [text[7:] for text in done.stderr.splitlines() if text.startswith("error: ")]
        raise RuntimeError(said[-1] if said else f"exit code {done.returncode}")
    with np.load(f"{folder}/outputs.npz") as found:
        return np.concatenate([found[f"y/{index}"] for index in range(len(feeds))])


def compared(name, simulator, soc):
    case = OPERATORS[name](np.random.default_rng(7))
    row = {"operator": name, "soc": soc, "architecture": ARCHITECTURES[soc]}
    with tempfile.TemporaryDirectory() as folder:
        case.network.files(case.real, case.scale, case.zero_point, folder)
        try:
            htp = on_htp(simulator, soc, folder, case.feeds).astype(np.int64)
        except RuntimeError as error:
            return {**row, "error": str(error)}
        apart = htp - on_cpu(f"{folder}/net.onnx", case.feeds).astype(np.int64)
        exact = on_cpu(f"{folder}/exact.onnx", case.feeds).astype(np.float64) / np.float64(np.float32(case.scale)) + case.zero_point
    ruled = np.concatenate([case.rule(feed, part, row["architecture"]) for feed, part in zip(case.feeds, np.split(exact, len(case.feeds)))])
    return {**row, "elements": int(htp.size), "share": float((apart != 0).mean()), "mean": float(apart.mean()), "largest": int(np.abs(apart).max()),
            "rule": float((ruled != htp).mean())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS)
    parser.add_argument("--simulator", default=os.environ.get("PPQ_QNN_PYTHON"))
    parser.add_argument("--soc-models", default="30,43")
    parser.add_argument("--operators", default=";".join(OPERATORS), help="names, separated by ;")
    parser.add_argument("--json")
    args = parser.parse_args()
    missing = no_simulator(args.simulator)
    if missing:
        print(f"error: [htp_rules] {missing}", file=sys.stderr)
        return 4
    unknown = [soc for soc in args.soc_models.split(",") if soc not in ARCHITECTURES]
    unknown += [name for name in args.operators.split(";") if name not in OPERATORS]
    if unknown:
        print(f"error: [htp_rules] not known: {', '.join(unknown)}", file=sys.stderr)
        return 2
    rows = []
    print("| HTP | operator | not ideal, % | mean, steps | largest | not as the rule, % | integers |\n| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for soc in args.soc_models.split(","):
        for name in args.operators.split(";"):
            row = compared(name, args.simulator, soc)
            rows.append(row)
            text = row.get("error") or (f"{100 * row['share']:.2f} | {row['mean']:+.3f} | {row['largest']} | {100 * row['rule']:.3f} | {row['elements']}")
            print(f"| v{row['architecture']} | {name} | {text} |", flush=True)
            if args.json:
                pathlib.Path(args.json).write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
