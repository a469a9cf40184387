"""PyTorch's float32 linear layer and torchao's static quantization of it, on the CPU.

Stays and does what it is told, a JSON object a line, so that a bench can let it take turns with
others: {"shape": [m, n, k]} makes the layers, {"run": kind, "repeats": r} runs one and answers with
the milliseconds that it took.
"""

import json
import sys
import time

import torch
import torch.nn.functional as F


def float_layer(x, w):
    return lambda: F.linear(x, w)


def static_layer(mapping, dtype, least=None):
    """The layer of torchao's static quantization tutorial: fixed ranges, both operands quantized."""
    import torchao
    from torchao.dtypes import to_affine_quantized_intx_static as quantize
    from torchao.quantization.granularity import PerAxis, PerTensor
    from torchao.quantization.observer import AffineQuantizedMinMaxObserver
    from torchao.quantization.quant_primitives import MappingType

    def observe(values, granularity, quant_min=None):
        observer = AffineQuantizedMinMaxObserver(
            MappingType[mapping],
            dtype,
            granularity=granularity,
            quant_min=quant_min,
            eps=torch.finfo(torch.float32).eps,
            scale_dtype=torch.float32,
            zero_point_dtype=torch.float32 if mapping == "ASYMMETRIC" else torch.int32,
        )
        observer(values)
        return observer.calculate_qparams()

    def layer(x, w):
        x_scale, x_zero_point = observe(x, PerTensor(), least)
        w_scale, w_zero_point = observe(w, PerAxis(0))
        qw = quantize(w, w_scale, w_zero_point, (1, w.shape[1]), dtype)

        def forward():
            qx = quantize(x, x_scale, x_zero_point, tuple(x.shape), dtype, least)
            return F.linear(qx, qw)

        return forward

    return layer, torchao.__version__


def main():
    kinds = {"float32": float_layer}
    versions = {"PyTorch": torch.__version__}
    failed = {}
    # torchao multiplies integers only if int8 inputs leave out -128; else it multiplies floats.
    static = {
        "uint8": ("ASYMMETRIC", torch.uint8),
        "int8": ("SYMMETRIC", torch.int8),
        "int8 from -127": ("SYMMETRIC", torch.int8, -127),
    }
    for name, arguments in static.items():
        try:
            kinds[name], versions["torchao"] = static_layer(*arguments)
        except Exception as error:  # torchao may be missing or another than the one asked for
            failed[name] = str(error)

    def answer(**message):
        print(json.dumps(message), flush=True)

    answer(versions=versions, failed=failed)
    layers = {}
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if "shape" in order:
                m, n, k = order["shape"]
                torch.manual_seed(0)
                x, w = torch.randn(m, k), torch.randn(n, k) / k**0.5
                layers = {name: kind(x, w) for name, kind in kinds.items()}
                answer()
            else:
                forward = layers[order["run"]]
                with torch.no_grad():
                    start = time.perf_counter()
                    for _ in range(order["repeats"]):
                        forward()
                    answer(ms=(time.perf_counter() - start) * 1e3)
        except Exception as error:
            answer(error=f"{type(error).__name__}: {error}")


main()
