"""Compares each integer operator of a network in onnxruntime with the simulation.

qoperator_check.py MODEL SAMPLES OURS: OURS has a folder for each file of SAMPLES, with NAME.npy of every tensor ("/" in names written as
"_"). Every operator gets the simulation's own integers, so that no difference is carried on: what is left is the operator's. Between an
operator and the Clip that bounds its integers nothing is cut: the simulation rounds behind both. Prints for each tensor, in steps: the
share of elements that differ, and the largest difference.
"""
import glob
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort

path, samples, ours = sys.argv[1:4]
model = onnx.load(path)
onnx.checker.check_model(model, full_check=True)
constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
# Where an operator has the scale and zero point of its output; others keep those of their input.
PLACES = {"QuantizeLinear": 1, "QLinearConv": 6, "QLinearMatMul": 6, "QLinearAdd": 6, "QLinearMul": 6, "QGemm": 7, "QLinearConcat": 0}
numbers, floats, readers = {}, {}, {}
for node in model.graph.node:
    for name in node.input:
        readers.setdefault(name, []).append(node)
    if node.op_type == "DequantizeLinear":
        floats[node.input[0]] = node.output[0]
        continue
    place = PLACES.get(node.op_type, 3 if node.op_type.startswith("QLinear") else None)
    if place is not None:
        found = constants[node.input[place]], constants[node.input[place + 1]]
    elif node.input and node.input[0] in numbers:
        found = numbers[node.input[0]]
    else:
        continue
    for name in node.output:
        numbers[name] = found


def name_of(integers):
    """The float tensor that integers stand for; their names begin with its name."""
    name = floats.get(integers, integers)
    return name.split("_quantized")[0] if name == integers else name


bounded = {name for name, nodes in readers.items() if len(nodes) == 1 and nodes[0].op_type == "Clip"}
dumped = {f[:-4] for f in os.listdir(os.path.join(ours, os.path.basename(sorted(glob.glob(samples + "/*.npy"))[0])))}
cut = {name for name in numbers if name not in bounded and name_of(name).replace("/", "_") in dumped}
for node in model.graph.node:
    for i, name in enumerate(node.input):
        if name in cut:
            node.input[i] = name + "_ours"
types = {i.name: i for i in model.graph.value_info}
for name in cut:
    kind = onnx.TensorProto.INT8 if numbers[name][1].dtype == np.int8 else onnx.TensorProto.UINT8
    model.graph.input.append(onnx.helper.make_tensor_value_info(name + "_ours", kind, None))
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
del model.graph.value_info[:]
options = ort.SessionOptions()
options.log_severity_level = 3
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
differences = {name: [] for name in cut}
inputs = [i.name for i in session.get_inputs()]
for sample in sorted(glob.glob(samples + "/*.npy")):
    feed = {inputs[0]: np.load(sample)}
    for name in cut:
        scale, zero = numbers[name]
        value = np.load(os.path.join(ours, os.path.basename(sample), name_of(name).replace("/", "_") + ".npy"))
        feed[name + "_ours"] = (np.rint(value / scale) + zero).astype(zero.dtype)
    for name, value in zip(sorted(cut), session.run(sorted(cut), {n: v for n, v in feed.items() if n in inputs})):
        differences[name].append(np.abs(value.astype(np.int64) - feed[name + "_ours"].astype(np.int64)).ravel())
operators = {o: node.op_type for node in model.graph.node for o in node.output}
for name in sorted(cut):
    apart = np.concatenate(differences[name])
    print(json.dumps({"tensor": name_of(name), "operator": operators[name], "share": float((apart > 0).mean()), "worst": int(apart.max())}))
