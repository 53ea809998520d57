#!/usr/bin/env python3
"""Writes the activation ranges of a parameter table into an already quantized DLC, through SNPE 1.x's own Python module.

The table is encodings JSON 0.6.1 (quantized.table). SNPE works out the weights' encodings anew from the weights, which
are rounded by then. SNPE 2 and later have no such module: use --quantization_overrides at conversion there (see DEPLOY.md).

Exit codes: 0 all layers set or without need, 2 usage, 4 the SDK's modules are missing, 5 the files do not fit together.
"""
import argparse
import json
import os
import sys

USAGE, UNSUPPORTED, DATA = 2, 4, 5


def fail(code, message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)


def plain(name):
    """A name as SNPE writes it: everything but letters and digits is '_'."""
    return "".join(c if c.isalnum() else "_" for c in name)


class Encodings:
    """Looks up (bitwidth, min, max) by tensor name, exactly or as SNPE spells it."""

    def __init__(self, path):
        try:
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
            table = document["activation_encodings"]
            if not isinstance(table, dict):
                fail(DATA, f"[{path}] activation_encodings: got version {document.get('version', '?')}, expected 0.6.1. "
                           "Hint: make the table with --encodings 0.6.1")
            self.exact = {name: self.entry(path, name, entries) for name, entries in table.items()}
        except OSError as error:
            fail(DATA, f"[{path}] cannot read: {error.strerror}")
        except (ValueError, KeyError, TypeError) as error:
            fail(DATA, f"[{path}] is not an encodings table (0.6.1): {error!r}")
        self.tolerant = {}
        for name in self.exact:
            self.tolerant.setdefault(plain(name), []).append(name)

    @staticmethod
    def entry(path, name, entries):
        if len(entries) != 1:
            fail(DATA, f"[{path}] tensor {name}: got {len(entries)} encodings, expected 1 for an activation")
        if entries[0].get("dtype") == "float":
            return None
        return int(entries[0]["bitwidth"]), float(entries[0]["min"]), float(entries[0]["max"])

    def find(self, name):
        """The table's name of a tensor, or None; two names that SNPE would spell alike are no match."""
        if name in self.exact:
            return name
        candidates = self.tolerant.get(plain(name), [])
        return candidates[0] if len(candidates) == 1 else None


def without_ncs(name):
    return name[:-len(".ncs")] if name.endswith(".ncs") else name


def encoding_name(encodings, layer, index):
    """The table's name for one output of a layer. A layer `x.ncs` changes x's layout only and keeps its input's encoding."""
    output = layer["output_names"][index]
    name = encodings.find(output)
    if name is None and (output.endswith(".ncs") or layer["name"].endswith(".ncs")):
        name = encodings.find(without_ncs(output))
        if name is None and layer["input_names"]:
            source = layer["input_names"][0]
            name = encodings.find(source) or encodings.find(without_ncs(source))
    return name


def load_sdk():
    try:
        import snpe  # noqa: F401  (sets the SDK up)
        from qti.aisw.dlc_utils import modeltools
    except ImportError as error:
        fail(UNSUPPORTED, f"[SNPE SDK] Python modules are missing: {error}. Hint: source the SDK's bin/envsetup.sh (SNPE 1.x, tested "
                          "by others with 1.43); with SNPE 2 use --quantization_overrides at conversion")
    return modeltools


def set_layers(model, encodings):
    """Sets every output that has an encoding; (set, skipped) as lists of "layer[index]" texts."""
    done, skipped = [], []
    for layer in model.get_layers():
        for index, output in enumerate(layer["output_names"]):
            place = f"{layer['name']}[{index}] {output}"
            name = encoding_name(encodings, layer, index)
            if name is None or encodings.exact[name] is None:
                skipped.append(place + (": no encoding" if name is None else ": float in the table"))
                continue
            bitwidth, low, high = encodings.exact[name]
            before = model.get_tf_output_encoding_by_index(name=layer["name"], index=index)
            model.set_tf_output_encoding_by_index(name=layer["name"], index=index, bitwidth=bitwidth, min=low, max=high)
            after = model.get_tf_output_encoding_by_index(name=layer["name"], index=index)
            print(f"{place}: {before} -> {after}")
            done.append(place)
    return done, skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input_dlc_model", default="snpe_quantized.dlc", help="quantized DLC (default: %(default)s)")
    parser.add_argument("--output_dlc_model", default="ppq_export.dlc", help="DLC to write (default: %(default)s)")
    parser.add_argument("--qparam", default="quantized.json", help="encodings JSON 0.6.1 (default: %(default)s)")
    arguments = parser.parse_args()

    encodings = Encodings(arguments.qparam)
    if not os.path.isfile(arguments.input_dlc_model):
        fail(DATA, f"[{arguments.input_dlc_model}] no such file")
    model = load_sdk().Model()
    model.load(arguments.input_dlc_model)
    model.set_tf_encoding_type("TF")
    done, skipped = set_layers(model, encodings)
    for place in skipped:
        print(f"skipped: {place}")
    print(f"outputs of layers: {len(done)} set, {len(skipped)} skipped")
    if not done:
        fail(DATA, f"[{arguments.qparam}] names no tensor of {arguments.input_dlc_model}: is it the table of another model?")
    model.quantize_weights(should_quantize=True)
    partial = arguments.output_dlc_model + ".partial"
    model.save(partial)
    os.replace(partial, arguments.output_dlc_model)
    print(f"wrote {arguments.output_dlc_model}")


if __name__ == "__main__":
    main()
