"""Noise over signal of simulated outputs against onnxruntime's float ones: against_onnxruntime.py MODEL SAMPLES SIMULATED.

SAMPLES holds .npy files, or one folder of them an input; SIMULATED is what `ppq_torch run` wrote of them. Prints JSON: of each output its
noise over signal, the largest error, and the signal. Optimizations are off: what is compared with is the model as it is written.
"""
import glob
import json
import os
import sys

import numpy as np
import onnxruntime as ort

model, samples, simulated = sys.argv[1:]
options = ort.SessionOptions()
options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
options.log_severity_level = 3
session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
names = [value.name for value in session.get_inputs()]
folders = {name: samples if len(names) == 1 else os.path.join(samples, name) for name in names}
files = {name: sorted(glob.glob(folder + "/*.npy")) for name, folder in folders.items()}
dumps = sorted(path for path in glob.glob(simulated + "/*") if os.path.isdir(path))
found = {value.name: [0.0, 0.0, 0.0] for value in session.get_outputs()}
assert dumps and all(len(of) == len(dumps) for of in files.values()), (files, dumps)
for i, dump in enumerate(dumps):
    floats = session.run(None, {name: np.load(files[name][i]) for name in names})
    for name, expected in zip(found, floats):
        got = np.load(os.path.join(dump, name.replace("/", "_") + ".npy")).astype(np.float64).reshape(expected.shape)
        error = got - expected.astype(np.float64)
        assert np.isfinite(expected).all(), name
        found[name][0] += float((error**2).sum())
        found[name][1] += float((expected.astype(np.float64) ** 2).sum())
        found[name][2] = max(found[name][2], float(np.abs(error).max()))
print(json.dumps({name: {"noise": n, "signal": s, "nsr": n / s if s else n, "most": m} for name, (n, s, m) in found.items()}))
