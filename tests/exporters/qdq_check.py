"""Runs a graph with QuantizeLinear and DequantizeLinear in onnxruntime, and compares its outputs with the simulation's.

qdq_check.py QDQ.onnx FLOAT.onnx TABLE SAMPLES OURS [all]: OURS has a folder of NAME.npy for each file of SAMPLES; "all": with
onnxruntime's own optimizations. Prints for each output, in steps of its quantization (of 255 for its range where it has none): the
share of elements that are at most one apart, the largest difference, how many elements were compared, and noise over signal against
the float network of the simulation ("ours") and of onnxruntime ("theirs").
"""
import glob
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort

model, plain, table, samples, ours = sys.argv[1:6]
onnx.checker.check_model(model, full_check=True)
options = ort.SessionOptions()
options.log_severity_level = 3
if sys.argv[6:] != ["all"]:
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
real = ort.InferenceSession(plain, options, providers=["CPUExecutionProvider"])
encodings = json.load(open(table))["activation_encodings"]
names = [o.name for o in session.get_outputs()]
pairs = {name: [] for name in names}
for path in sorted(glob.glob(os.path.join(samples, "*.npy"))):
    feed = {session.get_inputs()[0].name: np.load(path)}
    outputs = session.run(None, feed)
    floats = real.run(names, feed)
    folder = os.path.join(ours, os.path.basename(path))
    for name, output, number in zip(names, outputs, floats):
        pairs[name].append((output, np.load(os.path.join(folder, name.replace("/", "_") + ".npy")), number))
for name in names:
    theirs, own, exact = (np.concatenate([p[k].astype(np.float64).ravel() for p in pairs[name]]) for k in (0, 1, 2))
    step = encodings[name][0]["scale"] if name in encodings else np.ptp(own) / 255
    apart = np.abs(theirs - own) / step
    print(json.dumps({"output": name, "share": float((apart <= 1.001).mean()), "worst": float(apart.max()), "elements": int(apart.size),
                      "ours": float(np.square(own - exact).sum() / np.square(exact).sum()),
                      "theirs": float(np.square(theirs - exact).sum() / np.square(exact).sum())}))
