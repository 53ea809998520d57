"""Runs a model in onnxruntime: run_onnxruntime.py MODEL OUT_DIR BATCH SHARED [NAME=NUMBER ...]

Inputs are real samples where SHARED/goldens has them for this model, speech for the voice model, seeded random numbers
otherwise; dimensions that are not fixed take BATCH (the first one) or NAME's number. Writes input_I.pb and output_I.pb.
"""
import glob
import json
import os
import sys
import wave

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

model_path, out_dir, batch, shared = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
given = {name: int(number) for name, number in (a.split("=") for a in sys.argv[5:])}
rng = np.random.default_rng(7)


def real_samples(count):
    for path in sorted(glob.glob(os.path.join(shared, "goldens", "*", "inputs.json"))):
        info = json.load(open(path))
        if os.path.samefile(os.path.join(shared, info["model"]), model_path):
            pixels = np.load(os.path.join(os.path.dirname(path), "inputs.npy"))[:count]
            if info["color"] == "bgr":
                pixels = pixels[..., ::-1]
            x = (pixels.astype(np.float32) - np.float32(info["mean"])) / np.float32(info["std"])
            return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return None


def speech(shape):
    with wave.open(os.path.join(shared, "data", "audio", "yes_1000ms.wav")) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
    starts = 4000 + 512 * np.arange(shape[0])
    return np.stack([samples[s : s + shape[1]] for s in starts])


def make_input(value, first):
    shape = []
    for i, dim in enumerate(value.type.tensor_type.shape.dim):
        fixed = dim.HasField("dim_value") and dim.dim_value > 0
        name = dim.dim_param if dim.dim_param != "?" else "?%d" % i
        if fixed:
            shape.append(dim.dim_value)
        elif name in given:
            shape.append(given[name])
        else:
            shape.append(batch)
    if value.name == "sr":
        return np.array(given["sr"], np.int64)
    if value.name == "state":
        return (rng.standard_normal(shape) * 0.1).astype(np.float32)
    if "silero" in model_path:
        return speech(shape)
    real = real_samples(batch) if first and len(shape) == 4 else None
    return real if real is not None else rng.standard_normal(shape).astype(np.float32)


model = onnx.load(model_path)
initializers = {i.name for i in model.graph.initializer}
values = [v for v in model.graph.input if v.name not in initializers]
inputs = {v.name: make_input(v, i == 0) for i, v in enumerate(values)}
options = ort.SessionOptions()
options.log_severity_level = 3
session = ort.InferenceSession(model_path, options, providers=["CPUExecutionProvider"])
outputs = session.run(None, inputs)
os.makedirs(out_dir, exist_ok=True)
for stem, arrays in (("input", inputs.values()), ("output", outputs)):
    for i, array in enumerate(arrays):
        with open(os.path.join(out_dir, "%s_%d.pb" % (stem, i)), "wb") as file:
            file.write(numpy_helper.from_array(np.ascontiguousarray(array) if array.ndim else array).SerializeToString())
