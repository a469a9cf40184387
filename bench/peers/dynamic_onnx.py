"""Python's onnxruntime.quantization.quantize_dynamic on one model, in all ways, in a process of its own.

Takes one JSON object as its argument: models (paths of the same network) and output (a path without its ending). The
first model is also tried with the preparation that Python's documentation asks for. Prints a list of what was made:
type, per channel or not, path, and the problem where it failed.
"""

import json
import logging
import sys

from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

logging.disable(logging.CRITICAL)
TYPES = {"int8": QuantType.QInt8, "uint8": QuantType.QUInt8}


def main():
    job = json.loads(sys.argv[1])
    made = []
    own = job["output"] + "-prepared.onnx"
    try:
        quant_pre_process(job["models"][0], own, skip_symbolic_shape=True)
    except Exception as error:  # it raises no narrower one
        print(error, file=sys.stderr)
        own = None
    for index, model in enumerate(filter(None, [*job["models"], own])):
        for name, weight_type in TYPES.items():
            for per_channel in (False, True):
                path = f"{job['output']}-{index}-{name}-{'channel' if per_channel else 'tensor'}.onnx"
                way = {"type": name, "perChannel": per_channel, "path": path}
                try:
                    quantize_dynamic(model, path, weight_type=weight_type, per_channel=per_channel)
                except Exception as error:  # it raises no narrower one
                    way["problem"] = str(error)
                made.append(way)
    print(json.dumps(made))


main()
