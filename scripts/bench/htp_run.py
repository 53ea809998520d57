"""Runs a model on the HTP's simulator: PYTHON htp_run.py MODEL INPUTS.npz OUTPUTS.npz [OPTION=VALUE…]

INPUTS has an array NAME/INDEX for each input and sample. OUTPUTS gets the same of each output, `prepare` (seconds of preparation) and
`seconds` of each run, without the first where there are more. PYTHON has the package onnxruntime-qnn; session and exit codes are those of
scripts/make_dlc. OPTION=VALUE are options of the provider.
"""
import importlib.machinery
import importlib.util
import pathlib
import sys
import time

sys.dont_write_bytecode = True
path = pathlib.Path(__file__).resolve().parents[1] / "make_dlc"
loader = importlib.machinery.SourceFileLoader("make_dlc", str(path))
make_dlc = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_dlc", loader))
loader.exec_module(make_dlc)


def run(model, inputs, outputs, options):
    package = make_dlc.Package()
    import numpy as np  # onnxruntime brings it
    started = time.perf_counter()
    session = package.session(model, options)
    found = {"prepare": time.perf_counter() - started}
    samples = {}
    with np.load(inputs) as arrays:
        for key in arrays.files:
            name, index = key.rsplit("/", 1)
            samples.setdefault(int(index), {})[name] = arrays[key]
    names, seconds = [output.name for output in session.get_outputs()], []
    for index in sorted(samples):
        started = time.perf_counter()
        values = session.run(names, samples[index])
        seconds.append(time.perf_counter() - started)
        found.update({f"{name}/{index}": value for name, value in zip(names, values)})
    np.savez(outputs, seconds=np.array(seconds[1:] or seconds), **found)


def main():
    try:
        run(*sys.argv[1:4], dict(option.split("=", 1) for option in sys.argv[4:]))
    except make_dlc.Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return failure.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
