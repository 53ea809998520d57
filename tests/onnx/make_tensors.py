"""Writes TensorProtos of every element type, typed and raw, each with the bytes that its elements have in memory.

make_tensors.py FOLDER: NAME_typed.pb, NAME_raw.pb, NAME.bytes; prints a line "NAME number-of-type" each.
"""
import sys

import numpy
from onnx import TensorProto, helper, numpy_helper

VALUES = {
    "FLOAT": [0.0, -1.5, 3.4e38, 1e-40, float("inf"), float("nan")], "DOUBLE": [0.0, -1.5, 1.7e308, 5e-324, float("-inf"), 2.0],
    "FLOAT16": [0.0, -1.5, 65504.0, 6e-8, float("inf"), 1.0], "BFLOAT16": [0.0, -1.5, 3e38, 1e-38, float("inf"), 1.0],
    "FLOAT8E4M3FN": [0.0, -1.5, 448.0, 0.002, 16.0, -240.0], "FLOAT8E4M3FNUZ": [0.0, -1.5, 240.0, 0.002, 16.0, -0.5],
    "FLOAT8E5M2": [0.0, -1.5, 57344.0, 1e-4, 16.0, -0.5], "FLOAT8E5M2FNUZ": [0.0, -1.5, 57344.0, 1e-4, 16.0, -0.5],
    "FLOAT8E8M0": [1.0, 2.0, 0.5, 1024.0, 2.0**-100, 2.0**100],
    "INT8": [-128, 127, 0, 1, -1, 5], "UINT8": [0, 255, 128, 1, 2, 3], "INT16": [-32768, 32767, 0, 1, -1, 5], "UINT16": [0, 65535, 32768, 1, 2, 3],
    "INT32": [-2**31, 2**31 - 1, 0, 1, -1, 5], "UINT32": [0, 2**32 - 1, 2**31, 1, 2, 3], "INT64": [-2**63, 2**63 - 1, 0, 1, -1, 5],
    "UINT64": [0, 2**64 - 1, 2**63, 1, 2, 3], "BOOL": [True, False, False, True, True, False],
    "COMPLEX64": [1 + 2j, -0.5j, 3, 0, 1e30 - 1j, 2j], "COMPLEX128": [1 + 2j, -0.5j, 3, 0, 1e300 - 1j, 2j],
}

for name, values in VALUES.items():
    dtype = getattr(TensorProto, name)
    element = helper.tensor_dtype_to_np_dtype(dtype)
    array = (numpy.array(values, element) if "INT" in name else numpy.array(values).astype(element)).reshape(2, 3)
    raw = numpy_helper.from_array(array, name)
    assert raw.HasField("raw_data") and raw.data_type == dtype
    # The typed field, filled by hand from the bits (onnx.proto says which field holds which type).
    typed = TensorProto(name=name, dims=[2, 3], data_type=dtype)
    flat = array.reshape(-1)
    if name in ("FLOAT", "COMPLEX64"):
        typed.float_data.extend(flat.view(numpy.float32).tolist())
    elif name in ("DOUBLE", "COMPLEX128"):
        typed.double_data.extend(flat.view(numpy.float64).tolist())
    elif name == "INT64":
        typed.int64_data.extend(flat.tolist())
    elif name in ("UINT32", "UINT64"):
        typed.uint64_data.extend(flat.tolist())
    elif name.startswith(("FLOAT", "BFLOAT")):
        typed.int32_data.extend(flat.view(f"uint{8 * flat.itemsize}").tolist())
    else:
        typed.int32_data.extend(int(v) for v in flat)
    for kind, proto in (("raw", raw), ("typed", typed)):
        with open(f"{sys.argv[1]}/{name}_{kind}.pb", "wb") as file:
            file.write(proto.SerializeToString())
    with open(f"{sys.argv[1]}/{name}.bytes", "wb") as file:
        file.write(array.tobytes())
    print(name, dtype)
