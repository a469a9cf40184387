"""Python's onnxruntime.quantization on one model, in a process of its own.

Takes one JSON object as its argument: model and output (paths), samples (a path without its ending: `.json` says
shapes and offsets, `.bin` holds the numbers), count, method, percentile, perChannel, preprocess. Prints what it took.
"""

import contextlib
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime import quantization
from onnxruntime.quantization import shape_inference

METHODS = {
    "minmax": quantization.CalibrationMethod.MinMax,
    "percentile": quantization.CalibrationMethod.Percentile,
    "entropy": quantization.CalibrationMethod.Entropy,
}


class Samples(quantization.CalibrationDataReader):
    """One sample at a time, read when it is asked for."""

    def __init__(self, path, count):
        self.samples = iter(json.loads(Path(path + ".json").read_text())[:count])
        self.file = path + ".bin"

    def get_next(self):
        sample = next(self.samples, None)
        return sample and {name: self.read(**place) for name, place in sample.items()}

    def read(self, type, dims, offset):
        kind = {"float32": "<f4", "int64": "<i8"}[type]
        data = np.fromfile(self.file, kind, int(np.prod(dims)), offset=offset)
        return data.reshape(dims)


def main():
    job = json.loads(sys.argv[1])
    start = time.perf_counter()
    model, output, samples = (os.path.abspath(job[key]) for key in ("model", "output", "samples"))
    # Symbolic shape inference leaves a file in the current folder.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        if job["preprocess"]:
            prepared = str(Path(folder) / "prepared.onnx")
            try:
                shape_inference.quant_pre_process(model, prepared)
            except Exception as error:  # it raises no narrower one
                print(f"{error}; without symbolic shapes then", file=sys.stderr)
                shape_inference.quant_pre_process(model, prepared, skip_symbolic_shape=True)
            model = prepared
        if job["method"] == "dynamic":
            quantization.quantize_dynamic(
                model, output, per_channel=job["perChannel"], weight_type=quantization.QuantType.QInt8
            )
            return tell(start)
        extra = {}
        if job["method"] == "percentile":
            extra["CalibPercentile"] = job["percentile"]
        quantization.quantize_static(
            model,
            output,
            Samples(samples, job["count"]),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=job["perChannel"],
            calibrate_method=METHODS[job["method"]],
            extra_options=extra,
        )
    tell(start)


def tell(start):
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - start,
                "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "version": f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}",
            }
        )
    )


main()
