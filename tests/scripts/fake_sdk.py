"""Stands in for SNPE's Python modules: writes packages `snpe` and `qti.aisw.dlc_utils` whose Model records its calls."""
import pathlib
import sys

MODEL = '''
import json, os

class Model:
    def __init__(self):
        self.calls = []
    def load(self, path):
        self.calls.append(["load", path])
    def set_tf_encoding_type(self, kind):
        self.calls.append(["set_tf_encoding_type", kind])
    def get_layers(self):
        with open(os.environ["FAKE_LAYERS"]) as file:
            return json.load(file)
    def get_tf_output_encoding_by_index(self, name, index):
        return {"name": name, "index": index}
    def set_tf_output_encoding_by_index(self, name, index, bitwidth, min, max):
        self.calls.append(["set", name, index, bitwidth, min, max])
    def quantize_weights(self, should_quantize):
        self.calls.append(["quantize_weights", should_quantize])
    def save(self, path):
        self.calls.append(["save"])
        with open(path, "w") as file:
            json.dump(self.calls, file)
'''

root = pathlib.Path(sys.argv[1])
for package in ("snpe", "qti", "qti/aisw", "qti/aisw/dlc_utils"):
    (root / package).mkdir(parents=True, exist_ok=True)
    (root / package / "__init__.py").write_text("")
(root / "qti/aisw/dlc_utils/modeltools.py").write_text(MODEL)
