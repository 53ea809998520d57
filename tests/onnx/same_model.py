"""Independent reader: compares two ONNX files field by field with the onnx package, and runs its checker on the second.

same_model.py ORIGINAL WRITTEN [ORIGINAL WRITTEN ...], or same_model.py @FILE with one path a line
"""
import sys

import numpy
import onnx
from onnx import numpy_helper
from google.protobuf.message import Message

UNKNOWN_FIELD = b"\xfa\x3e\x03new"
faults = []


def fault(path, got, expected):
    faults.append(f"{path}: got {str(got)[:200]!r}, expected {str(expected)[:200]!r}")


def same_tensor(a, b, path, folders):
    for field in ("name", "doc_string", "data_type"):
        if getattr(a, field) != getattr(b, field):
            fault(f"{path}.{field}", getattr(b, field), getattr(a, field))
    if list(a.dims) != list(b.dims):
        return fault(f"{path}.dims", list(b.dims), list(a.dims))
    same_list(a.metadata_props, b.metadata_props, f"{path}.metadata_props", folders)
    if a.data_type == onnx.TensorProto.STRING:
        if list(a.string_data) != list(b.string_data):
            fault(path, list(b.string_data), list(a.string_data))
        return
    x = numpy_helper.to_array(a, folders[0])
    y = numpy_helper.to_array(b, folders[1])
    if x.dtype != y.dtype or x.tobytes() != y.tobytes():
        fault(path, "other bytes", "the same bytes")


def same_list(a, b, path, folders):
    if len(a) != len(b):
        return fault(f"{path}, length", len(b), len(a))
    for i, (x, y) in enumerate(zip(a, b)):
        label = getattr(x, "name", "") or i
        if isinstance(x, Message):
            same(x, y, f"{path}[{label}]", folders)
        elif x != y and not (x != x and y != y):
            fault(f"{path}[{label}]", y, x)


def same(a, b, path, folders):
    if isinstance(a, onnx.TensorProto):
        return same_tensor(a, b, path, folders)
    node_was_named = not (isinstance(a, onnx.NodeProto) and not a.name)
    for field in a.DESCRIPTOR.fields:
        if field.name == "name" and not node_was_named:
            if not b.name:
                fault(f"{path}.name", "", "a name")
            continue
        x, y = getattr(a, field.name), getattr(b, field.name)
        if field.is_repeated:
            same_list(x, y, f"{path}.{field.name}", folders)
        elif field.message_type:
            if a.HasField(field.name) != b.HasField(field.name):
                fault(f"{path}.{field.name}, present", b.HasField(field.name), a.HasField(field.name))
            elif a.HasField(field.name):
                same(x, y, f"{path}.{field.name}", folders)
        elif x != y and not (x != x and y != y):
            fault(f"{path}.{field.name}", y, x)


def main():
    files = sys.argv[1:]
    if files[0].startswith("@"):
        with open(files[0][1:]) as lines:
            files = lines.read().split("\n")[:-1]
    for original, written in zip(files[::2], files[1::2]):
        folders = [str(p.rpartition("/")[0]) for p in (original, written)]
        a = onnx.load(original, load_external_data=False)
        b = onnx.load(written, load_external_data=False)
        same(a, b, written.rpartition("/")[2], folders)
        with open(original, "rb") as first, open(written, "rb") as second:
            if UNKNOWN_FIELD in first.read() and UNKNOWN_FIELD not in second.read():
                fault(written, "no unknown field", "the unknown field of the original")
        onnx.checker.check_model(written)
    print("\n".join(faults[:20]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
