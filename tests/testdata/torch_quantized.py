"""Records what PyTorch 2.15's quantized modules of eager mode answer, byte for byte: `python torch_quantized.py FOLDER`
writes torch-quantized.json and torch-quantized.safetensors into FOLDER. Needs torch; the tests need it not.

Where PyTorch has no quantized kernel (GELU, SiLU, ConvTranspose2d with scales of channels), the answer is its float function between dequantize and quantize."""
import json, os, struct, sys, warnings
import torch
import torch.ao.nn.intrinsic.quantized as nniq
import torch.ao.nn.quantized as nnq
from torch.nn import functional as F

warnings.simplefilter("ignore")
assert torch.__version__.startswith("2.15")
torch.backends.quantized.engine = "fbgemm"
g = torch.Generator().manual_seed(2015)
NAMES = {torch.float32: "F32", torch.uint8: "U8", torch.int8: "I8"}
cases, tensors = [], {}


def scale(low, high):
    return float(torch.tensor(low + (high - low) * torch.rand((), generator=g).item(), dtype=torch.float32))


def activation(*shape, most=255):
    """Bytes that look like activations: bell-shaped, all of them used."""
    zero_point = int(torch.randint(20, 200, (), generator=g)) * (most + 1) // 256
    s = scale(.01, .05)
    q = (torch.randn(shape, generator=g) * 40 + zero_point).round().clamp(0, most).to(torch.uint8)
    return torch._make_per_tensor_quantized_tensor(q, s, zero_point)


def params(x):
    return {"scale": x.q_scale(), "zeroPoint": x.q_zero_point()}


def record(layer, inputs, y, options=None, **parts):
    name = f"{layer}{sum(case['layer'] == layer for case in cases)}"
    cases.append({"name": name, "layer": layer, "options": options or {}, "inputs": [params(x) for x in inputs],
                  "output": params(y)})
    for i, x in enumerate(inputs):
        tensors[f"{name}.x{i}"] = x.int_repr()
    tensors[f"{name}.y"] = y.int_repr()
    for key, t in parts.items():
        if t is not None: tensors[f"{name}.{key}"] = t


def weight(*shape, per_channel=True):
    w = torch.randn(shape, generator=g) / (torch.tensor(shape[1:]).prod() ** .5)
    if not per_channel:
        return torch.quantize_per_tensor(w, float(w.abs().max() / 127), 0, torch.qint8)
    scales = w.flatten(1).abs().amax(1) / 127
    return torch.quantize_per_channel(w, scales.float().double(), torch.zeros(shape[0], dtype=torch.long), 0, torch.qint8)


def scales(w):
    if w.qscheme() == torch.per_tensor_affine: return torch.tensor([w.q_scale()], dtype=torch.float32)
    return w.q_per_channel_scales().float()


def weighted(layer, module, x, w, bias, options, y_scale, y_zero):
    module.set_weight_bias(w, bias)
    module.scale, module.zero_point = y_scale, y_zero
    record(layer, [x], module(x), options, weight=w.int_repr(), weight_scale=scales(w), bias=bias)


def conv(x_shape, out, kernel, bias=True, relu=False, per_channel=True, **options):
    groups = options.get("groups", 1)
    # fbgemm adds pairs of products in 16 bits where each channel is convolved by itself; so that none is cut off,
    # PyTorch observes with reduce_range, as its default configuration does.
    x = activation(*x_shape, most=127 if groups == x_shape[1] else 255)
    w = weight(out, x_shape[1] // groups, *kernel, per_channel=per_channel)
    b = torch.randn(out, generator=g) if bias else None
    layer = f"Conv{len(kernel)}d"
    cls = getattr(nniq, f"ConvReLU{len(kernel)}d") if relu else getattr(nnq, layer)
    module = cls(x_shape[1], out, kernel if len(kernel) > 1 else kernel[0], bias=bias, **options)
    named = {"paddingMode" if key == "padding_mode" else key: value for key, value in options.items()}
    weighted(layer, module, x, w, b, {**named, "relu": relu}, scale(.02, .04), 0 if relu else 120)


def linear(x_shape, out, bias=True, relu=False, per_channel=True):
    x = activation(*x_shape)
    w = weight(out, x_shape[-1], per_channel=per_channel)
    b = torch.randn(out, generator=g) if bias else None
    cls = nniq.LinearReLU if relu else nnq.Linear
    module = cls(x_shape[-1], out, bias_=True) if not relu else cls(x_shape[-1], out)
    weighted("Linear", module, x, w, b, {"relu": relu}, scale(.02, .04), 0 if relu else 131)


conv((2, 3, 12, 12), 8, (3, 3), padding=(1, 1))
conv((1, 16, 9, 11), 12, (1, 1))
conv((1, 8, 13, 13), 8, (3, 3), stride=(2, 2), padding=(1, 1), groups=2)
conv((2, 16, 10, 10), 16, (5, 5), padding=(2, 2), groups=16)
conv((1, 4, 14, 14), 6, (3, 3), dilation=(2, 2), bias=False)
conv((1, 8, 12, 12), 8, (3, 3), padding=(1, 1), relu=True)
conv((1, 6, 10, 10), 8, (3, 3), per_channel=False)
linear((40, 33), 24)
linear((2, 12, 48), 20, relu=True)
linear((16, 64), 32, bias=False, per_channel=False)


def functional(name, xs, *args, **options):
    f = nnq.QFunctional()
    f.scale, f.zero_point = scale(.03, .06), 110 if name != "add_relu" else 0
    record({"add": "Add", "add_relu": "Add", "mul": "Mul", "cat": "Cat"}[name], xs, getattr(f, name)(*args), options)


for name, options in [("add", {}), ("add_relu", {"relu": True}), ("mul", {})]:
    a, b = activation(2, 8, 9, 9), activation(2, 8, 9, 9)
    functional(name, [a, b], a, b, **options)
a, b = activation(2, 8, 9, 9), activation(2, 8, 1, 1)
functional("mul", [a, b], a, b)
a, b, c = activation(2, 3, 8, 8), activation(2, 5, 8, 8), activation(2, 4, 8, 8)
functional("cat", [a, b, c], [a, b, c], 1, dim=1)


def function(layer, module, x=None, options=None):
    x = activation(2, 8, 16, 16) if x is None else x
    record(layer, [x], module(x), options)


def by_floats(f, s, z):
    return lambda x: torch.quantize_per_tensor(f(x.dequantize()), s, z, torch.quint8)


function("Sigmoid", nnq.Sigmoid(1 / 256, 0))
function("Hardswish", nnq.Hardswish(scale(.01, .03), 7))
function("ELU", nnq.ELU(scale(.01, .03), 40, alpha=1.0))
function("LeakyReLU", nnq.LeakyReLU(scale(.01, .03), 30, negative_slope=0.1), options={"negativeSlope": 0.1})
function("Tanh", torch.tanh)
function("Hardsigmoid", F.hardsigmoid)
function("GELU", by_floats(F.gelu, scale(.01, .03), 12))
function("SiLU", by_floats(F.silu, scale(.01, .03), 16))
function("ReLU", torch.relu)
function("AvgPool2d", torch.nn.AvgPool2d(3, 2, 1), options={"kernelSize": 3, "stride": 2, "padding": 1})
function("AvgPool2d", torch.nn.AvgPool2d(2), options={"kernelSize": 2})
function("AdaptiveAvgPool2d", torch.nn.AdaptiveAvgPool2d(1), options={"outputSize": 1})
function("AdaptiveAvgPool2d", torch.nn.AdaptiveAvgPool2d((3, 5)), options={"outputSize": [3, 5]})
function("MaxPool2d", torch.nn.MaxPool2d(3, 2, 1), options={"kernelSize": 3, "stride": 2, "padding": 1})


def transposed(x_shape, out, kernel, bias=True, per_channel=True, **options):
    groups = options.get("groups", 1)
    # As above: there are no more than 7 bits where fbgemm might add up in 16.
    x = activation(*x_shape, most=127)
    w = torch.randn(x_shape[1], out // groups, *kernel, generator=g) / 4
    if per_channel:  # along the second dimension, that of output channels
        scales_ = w.transpose(0, 1).flatten(1).abs().amax(1) / 127
        w = torch.quantize_per_channel(w, scales_.float().double(), torch.zeros(out // groups, dtype=torch.long), 1, torch.qint8)
    else:
        w = torch.quantize_per_tensor(w, float(w.abs().max() / 127), 0, torch.qint8)
    b = torch.randn(out, generator=g) if bias else None
    layer = f"ConvTranspose{len(kernel)}d"
    module = getattr(nnq, layer)(x_shape[1], out, kernel if len(kernel) > 1 else kernel[0], bias=bias, **options)
    named = {"outputPadding" if key == "output_padding" else key: value for key, value in options.items()}
    if not per_channel: return weighted(layer, module, x, w, b, named, scale(.02, .04), 120)
    # Which PyTorch has no kernel for.
    exact = getattr(F, f"conv_transpose{len(kernel)}d")(x.dequantize().double(), w.dequantize().double(), None if b is None else b.double(), **options)
    y = torch.quantize_per_tensor(exact.float(), scale(.02, .04), 120, torch.quint8)
    record(layer, [x], y, named, weight=w.int_repr(), weight_scale=scales(w), bias=b)


transposed((1, 8, 5, 6), 4, (2, 2), stride=(2, 2))
transposed((2, 4, 4, 5), 6, (3, 3))
transposed((1, 6, 5, 4), 5, (3, 3), stride=(2, 2), padding=(1, 1), output_padding=(1, 1))
transposed((1, 3, 6, 5), 4, (4, 4), stride=(2, 2), padding=(1, 1))
transposed((1, 16, 3, 4), 8, (2, 3), stride=(2, 3), bias=False)
transposed((1, 5, 4, 4), 3, (3, 2), stride=(3, 1), padding=(0, 1))
transposed((2, 8, 4, 4), 4, (2, 2), stride=(2, 2), per_channel=False)
transposed((1, 4, 5, 5), 8, (3, 3), stride=(2, 2), groups=2, per_channel=False)
transposed((1, 8, 4, 6), 8, (3, 3), stride=(2, 2), padding=(1, 1), groups=8, per_channel=False)
transposed((1, 4, 5, 5), 4, (3, 3), dilation=(2, 2), per_channel=False)
transposed((1, 20, 3, 3), 33, (1, 1), per_channel=False, bias=False)
transposed((1, 4, 3, 3), 4, (2, 2), stride=(3, 3), per_channel=False)

conv((2, 3, 40), 8, (5,), padding=(2,))
conv((1, 16, 30), 12, (1,), bias=False)
conv((2, 8, 33), 6, (3,), stride=(2,), padding=(1,), groups=2)
conv((1, 16, 28), 16, (7,), padding=(3,), groups=16)
conv((1, 4, 36), 6, (3,), dilation=(3,), padding=(2,), per_channel=False)
conv((2, 20, 21), 33, (3,), padding=(1,), relu=True)
conv((1, 6, 24), 8, (4,), padding=(2,), padding_mode="reflect")
conv((1, 2, 5, 6, 7), 4, (3, 3, 3), padding=(1, 1, 1))
conv((2, 8, 4, 5, 5), 6, (2, 1, 3), stride=(1, 2, 1), padding=(0, 0, 1), groups=2, per_channel=False)
conv((1, 20, 3, 4, 4), 12, (1, 1, 1), bias=False)
conv((1, 4, 5, 6, 6), 8, (3, 2, 3), dilation=(2, 1, 1), padding=(2, 0, 1), relu=True)
transposed((1, 8, 12), 4, (2,), stride=(2,))
transposed((2, 6, 11), 5, (3,), stride=(2,), padding=(1,), output_padding=(1,))
transposed((1, 4, 10), 8, (4,), stride=(2,), padding=(1,), groups=2, per_channel=False)
transposed((1, 20, 9), 12, (3,), dilation=(2,), bias=False, per_channel=False)


def save_file(path):
    header, data = {}, b""
    for key, t in tensors.items():
        raw = t.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        header[key] = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


folder = sys.argv[1]
save_file(os.path.join(folder, "torch-quantized.safetensors"))
with open(os.path.join(folder, "torch-quantized.json"), "w") as file:
    file.write('{"cases": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]}\n")
