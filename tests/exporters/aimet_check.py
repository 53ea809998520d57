"""What AIMET makes of our files: aimet_check.py GRAPH SAMPLE OURS TABLE …

SAMPLE: one .npy per graph input, joined by ':'. OURS: a folder with our simulation's <tensor>.npy of every tensor ('/' in
names written as '_'). For each TABLE (encodings of any version) prints a JSON line:
  unset    tensors that the table names and AIMET's simulation does not quantize
  moved    of those, outputs of data movement (Reshape, MaxPool, Slice, …) in a 2.0.0 file whose input is quantized instead
  ties     share of the sample's elements that AIMET rounds to another integer, and of these the share that are no exact halves
           (it rounds those upwards, we to even; image pixels minus 127.5 are all halves)
  outputs  noise over signal of each graph output, ours against AIMET's, on the sample as we round it
  layers   the same question layer by layer: each layer of AIMET's simulation gets our inputs, and its output is compared with
           ours: [tensor, elements that differ by more than half a step, elements, largest difference in steps], worst first
"""
import json
import logging
import os
import sys
import warnings

logging.disable(logging.CRITICAL)
warnings.filterwarnings("ignore")
import numpy as np  # noqa: E402
import onnx  # noqa: E402
import aimet_onnx.quantsim as quantsim  # noqa: E402

# By default AIMET gives the inputs and outputs of Concat, AveragePool and others one quantizer, which replaces what the file
# says about them.
quantsim._tie_qtzrs = False
SUFFIX = "_updated"  # of a tensor's quantized twin in AIMET's graph
ACTIVATIONS = {"Relu", "Clip", "PRelu", "LeakyRelu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Elu", "Gelu", "Mish"}


MOVERS = {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "MaxPool", "GlobalMaxPool", "Identity", "Slice", "Split", "Pad", "Dropout", "Resize",
          "Expand", "Tile", "Gather", "DepthToSpace", "SpaceToDepth"}


def grids(table):
    """name -> (scale, zero point, bits) of per-tensor entries on an unsigned grid, of the versions with offsets in a row."""
    if table["version"] == "2.0.0":
        return {e["name"]: (e["y_scale"], e.get("y_zero_point", 0), int(e["output_dtype"][4:])) for e in table["encodings"] if e["output_dtype"].startswith("uint")}
    if table["version"] == "1.0.0":
        return {e["name"]: (e["scale"][0], -e["offset"][0], e["bw"]) for e in table["activation_encodings"] if e["dtype"] == "INT"}
    return {name: (e[0]["scale"], -e[0]["offset"], e[0]["bitwidth"]) for name, e in table["activation_encodings"].items() if e[0]["dtype"] == "int"}


def rounded(x, grid):
    """q = clamp(round half to even(x / scale) + zero point), back as a number."""
    scale, zero, bits = np.float32(grid[0]), grid[1], grid[2]
    return ((np.clip(np.rint(x / scale) + zero, 0, 2 ** bits - 1) - zero) * scale).astype(np.float32)


def ties(x, ours, theirs, grid):
    differ = np.abs(ours - theirs) > 0.5 * grid[0]
    exact = np.abs(np.abs(x / grid[0] - np.floor(x / grid[0])) - 0.5) < 1e-3
    return [float(differ.mean()), float((differ & ~exact).sum() / max(differ.sum(), 1))]


def entries(table):
    """name -> scale, of integer entries of tensors; int32 biases apart: AIMET does not simulate them."""
    if table["version"] == "2.0.0":
        return {e["name"]: e["y_scale"] for e in table["encodings"] if e["output_dtype"] != "int32"}
    if table["version"] == "1.0.0":
        return {e["name"]: e["scale"] for part in ("activation_encodings", "param_encodings") for e in table[part] if e["dtype"] == "INT"}
    return {name: [c["scale"] for c in e] for part in ("activation_encodings", "param_encodings") for name, e in table[part].items() if e[0]["dtype"] == "int"}


def simulation(graph, path):
    sim = quantsim.QuantizationSimModel(onnx.load(graph), providers=["CPUExecutionProvider"])
    quantsim.load_encodings_to_sim(sim, path, strict=False)
    return sim


def plain(name):
    return name[:-len(SUFFIX)] if name.endswith(SUFFIX) else name


def snr(ours, theirs):
    ours, theirs = ours.astype(np.float64).ravel(), theirs.astype(np.float64).ravel()
    return float(((ours - theirs) ** 2).sum() / max((ours ** 2).sum(), 1e-30))


def layers(sim, model, feed, ours, scales):
    """Cuts AIMET's graph at every quantized activation, feeds ours there, and compares what each piece computes."""
    graph = sim.model.graph()
    readers = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.op_type)
    # Between an operator and its activation nothing is rounded on its own on the target: such a tensor is not cut.
    inner = {name for name, ops in readers.items() if len(ops) == 1 and ops[0] in ACTIVATIONS}
    quantized = {plain(o) for node in graph.node for o in node.output if o.endswith(SUFFIX)}
    candidates = [n for node in model.graph.node for n in node.output] + list(feed)
    cut = {n for n in candidates if n in quantized and n not in inner and n in ours and n in readers}
    for node in graph.node:
        if node.op_type == "QcQuantizeOp":
            continue
        for index, name in enumerate(node.input):
            if name.endswith(SUFFIX) and plain(name) in cut:
                node.input[index] = plain(name) + "_ours"
    for name in sorted(cut):
        graph.input.append(onnx.helper.make_tensor_value_info(name + "_ours", onnx.TensorProto.FLOAT, None))
    present = {o.name for o in graph.output}
    for name in sorted(cut):
        if name + SUFFIX not in present:
            graph.output.append(onnx.helper.make_empty_tensor_value_info(name + SUFFIX))
    sim._rebuild_session()
    names = [o.name for o in sim.session.get_outputs()]
    results = dict(zip(names, sim.session.run(None, {**feed, **{name + "_ours": ours[name] for name in cut}})))
    rows = []
    for name, value in results.items():
        name = plain(name)
        if name not in scales or name not in ours or name in inner or name in feed:
            continue
        step = float(np.ravel(scales[name])[0])
        steps = np.abs(ours[name].astype(np.float64).ravel() - value.astype(np.float64).ravel()) / step
        rows.append([name, int((steps > 0.5).sum()), steps.size, float(steps.max())])
    return sorted(rows, key=lambda row: -row[1] / row[2])


def main():
    graph, sample, folder, *tables = sys.argv[1:]
    model = onnx.load(graph)
    initializers = {t.name for t in model.graph.initializer}
    inputs = [i.name for i in model.graph.input if i.name not in initializers]
    feed = dict(zip(inputs, (np.load(file) for file in sample.split(":"))))
    ours = {}
    for node in model.graph.node:
        for name in node.output:
            file = os.path.join(folder, name.replace("/", "_") + ".npy")
            if os.path.exists(file):
                value = np.load(file)
                if value.dtype == np.float32:
                    ours[name] = value
    producers = {o: node for node in model.graph.node for o in node.output}
    for path in tables:
        table = json.load(open(path))
        scales, grid = entries(table), grids(table)
        for name in feed:
            if name in grid:
                ours[name] = rounded(feed[name], grid[name])
        sim = simulation(graph, path)
        quantizers = sim.qc_quantize_op_dict
        unset = sorted(n for n in scales if n not in quantizers or not quantizers[n].enabled)
        moved = [n for n in unset if table["version"] == "2.0.0" and n in producers and producers[n].op_type in MOVERS]
        tied = {}
        for name in feed:
            if name in ours:
                sim.model.graph().output.append(onnx.helper.make_empty_tensor_value_info(name + SUFFIX))
                sim._rebuild_session()
                tied[name] = ties(feed[name], ours[name], sim.session.run([name + SUFFIX], feed)[0], grid[name])
        as_rounded = {name: ours.get(name, value) for name, value in feed.items()}
        names = [o.name for o in sim.session.get_outputs()]
        results = dict(zip(names, sim.session.run(None, as_rounded)))
        outputs = {plain(name): snr(ours[plain(name)], value) for name, value in results.items() if plain(name) in ours and plain(name) not in feed}
        rows = layers(sim, model, feed, ours, scales)
        print(json.dumps({"version": table["version"], "entries": len(scales), "unset": unset, "moved": moved, "ties": tied, "outputs": outputs,
                          "compared": len(rows), "layers": rows[:5]}), flush=True)


if __name__ == "__main__":
    main()
