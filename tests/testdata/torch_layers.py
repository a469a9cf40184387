"""Records what the layers of PyTorch 2.15 answer: `python torch_layers.py FOLDER` writes torch-layers-<family>.json and
torch-layers-<family>.safetensors into FOLDER. Needs torch; the tests need it not.

Weights and inputs are numbers that bfloat16 and float16 hold too, so that one record judges all dtypes; what is
expected is computed in float64."""
import json, math, os, struct, sys
import torch
from torch import nn

assert torch.__version__.startswith("2.15")
NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.int32: "I32", torch.int64: "I64", torch.bool: "BOOL"}
torch.backends.mha.set_fastpath_enabled(False)  # it misreads masks of floats
g = torch.Generator().manual_seed(215)
families = {}
counts = {}


def save_file(tensors, path):
    header, data = {}, b""
    for key, t in tensors.items():
        t = t.detach().contiguous()
        raw = t.reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b""
        header[key] = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def randn(*shape, scale=1.0, shift=0.0):
    """Normal numbers that bfloat16 holds, in float64."""
    return (torch.randn(shape, generator=g) * scale + shift).bfloat16().double()


def randint(high, *shape):
    return torch.randint(high, shape, generator=g)


def randbool(*shape, share=0.3):
    return torch.rand(shape, generator=g) < share


def stored(t):
    if t.dtype == torch.bool: return t
    return t.bfloat16() if t.is_floating_point() else t.int()


def shuffle_state(module):
    """Other numbers than a fresh layer's, so that nothing is 0 or 1 by default."""
    for name, t in module.state_dict().items():
        if name.endswith("num_batches_tracked"): t.fill_(7)
        elif name.endswith("running_var"): t.copy_(randn(*t.shape, scale=.5).abs() + .5)
        else:
            fan = max(1, t[0].numel()) if t.ndim > 1 else 4
            t.copy_(randn(*t.shape, scale=1 / math.sqrt(fan), shift=1 if t.ndim == 1 and name.endswith("weight") else 0))
        if t.is_floating_point(): t.copy_(t.bfloat16())


def put(family, layer, args, options, printed, state, inputs, call, outputs):
    cases, tensors = families.setdefault(family, ([], {}))
    counts[layer] = counts.get(layer, -1) + 1
    name = f"{layer}.{counts[layer]}"
    plain = {camel(k): v for k, v in call.items() if not torch.is_tensor(v)}
    cases.append({"name": name, "layer": layer, "args": args, "options": {camel(k): v for k, v in options.items()},
                  "printed": printed, "inputs": len(inputs), "call": plain})
    for key, t in state.items(): tensors[f"{name}.state.{key}"] = stored(t)
    for i, t in enumerate(inputs): tensors[f"{name}.in{i}"] = stored(t)
    for key, t in call.items():
        if torch.is_tensor(t): tensors[f"{name}.call.{camel(key)}"] = stored(t)
    for key, t in outputs.items(): tensors[f"{name}.{key}"] = t.float()


def as_tuple(value):
    return tuple(as_tuple(v) for v in value) if isinstance(value, list) else value


def record(family, cls, args, options, *inputs, call={}, outputs=lambda y: {"out": y}, run=None):
    kwargs = {k: as_tuple(v) for k, v in options.items()}
    module = cls(*map(as_tuple, args), **kwargs).double().eval()
    with torch.no_grad():
        shuffle_state(module)
        y = run(module) if run else module(*inputs, **call)
    put(family, cls.__name__, args, options, str(module), module.state_dict(), inputs, call, outputs(y))


def convolutions():
    c = lambda *a, **k: record("convolutions", *a, **k)
    one = [  # (N, C, L), arguments, options
        ((2, 3, 11), [3, 4, 3], {}), ((2, 3, 11), [3, 4, 3], {"bias": False}), ((1, 4, 12), [4, 6, 5], {"stride": 2}),
        ((2, 4, 9), [4, 4, 3], {"padding": 1}), ((2, 4, 9), [4, 4, 3], {"padding": 1, "groups": 4}),
        ((1, 6, 10), [6, 9, 3], {"groups": 3, "padding": 2, "dilation": 2}), ((3, 5, 7), [5, 2, 1], {}),
        ((1, 2, 8), [2, 3, 4], {"padding": "same"}), ((1, 2, 8), [2, 3, 3], {"padding": "same", "dilation": 2}),
        ((1, 2, 8), [2, 3, 4], {"padding": "valid"}), ((2, 3, 9), [3, 5, 3], {"padding": 2, "padding_mode": "reflect"}),
        ((2, 3, 9), [3, 5, 3], {"padding": 1, "padding_mode": "replicate"}),
        ((2, 3, 9), [3, 5, 3], {"padding": 1, "padding_mode": "circular"}), ((1, 1, 20), [1, 8, 7], {"stride": 3, "padding": 3}),
        ((4, 10), [4, 3, 3], {"padding": 1}), ((1, 16, 6), [16, 17, 3], {"padding": 1}), ((1, 3, 3), [3, 2, 3], {}),
        ((1, 2, 9), [2, 4, 2], {"stride": 2}), ((2, 8, 5), [8, 8, 3], {"groups": 2}), ((1, 4, 13), [4, 8, 3], {"groups": 4, "stride": 2, "padding": 1}),
        ((0, 3, 8), [3, 2, 3], {}), ((5, 3, 30), [3, 3, 9], {"dilation": 3, "padding": 12}),
    ]
    for shape, args, options in one: c(nn.Conv1d, args, options, randn(*shape))
    two = [
        ((1, 3, 8, 8), [3, 4, 3], {}), ((2, 3, 7, 9), [3, 4, 3], {"padding": 1}), ((2, 3, 7, 9), [3, 4, 3], {"padding": 1, "bias": False}),
        ((1, 3, 12, 12), [3, 8, 7], {"stride": 2, "padding": 3}), ((1, 8, 6, 6), [8, 8, 3], {"padding": 1, "groups": 8}),
        ((2, 4, 7, 7), [4, 4, 3], {"padding": 1, "groups": 4, "stride": 2}), ((1, 6, 5, 5), [6, 12, 3], {"groups": 3, "padding": 1}),
        ((2, 5, 6, 4), [5, 7, 1], {}), ((1, 5, 6, 6), [5, 7, 1], {"stride": 2}), ((1, 3, 9, 7), [3, 4, [3, 5]], {"padding": [1, 2]}),
        ((1, 3, 9, 7), [3, 4, [1, 3]], {"stride": [2, 1], "padding": [0, 1]}), ((1, 2, 10, 10), [2, 3, 3], {"dilation": 2}),
        ((1, 2, 10, 11), [2, 3, [3, 2]], {"dilation": [2, 3], "padding": [2, 1], "stride": [1, 2]}),
        ((1, 3, 8, 7), [3, 4, 4], {"padding": "same"}), ((1, 3, 8, 8), [3, 4, [3, 5]], {"padding": "same", "dilation": [2, 1]}),
        ((1, 3, 8, 8), [3, 4, 3], {"padding": "valid"}), ((1, 3, 6, 7), [3, 4, 3], {"padding": [2, 1], "padding_mode": "reflect"}),
        ((1, 3, 6, 7), [3, 4, 3], {"padding": 1, "padding_mode": "replicate"}), ((1, 3, 6, 7), [3, 4, 3], {"padding": 2, "padding_mode": "circular"}),
        ((3, 6, 7), [3, 4, 3], {"padding": 1}), ((1, 16, 5, 5), [16, 17, 3], {"padding": 1}), ((1, 1, 5, 5), [1, 1, 5], {}),
        ((1, 4, 8, 8), [4, 8, 2], {"stride": 2}), ((1, 6, 6, 6), [6, 6, 5], {"groups": 6, "padding": 2}),
        ((1, 4, 9, 9), [4, 8, 3], {"groups": 4, "padding": 2, "dilation": 2}), ((1, 33, 3, 3), [33, 5, 3], {"padding": 1}),
        ((0, 3, 5, 5), [3, 2, 3], {}), ((2, 8, 6, 6), [8, 8, 3], {"groups": 2, "stride": 2, "padding": 1}),
        ((1, 3, 16, 16), [3, 6, 4], {"stride": 4}), ((1, 4, 3, 20), [4, 4, [3, 1]], {"padding": [1, 0], "groups": 2}),
    ]
    for shape, args, options in two: c(nn.Conv2d, args, options, randn(*shape))
    three = [
        ((1, 2, 5, 6, 4), [2, 3, 3], {}), ((2, 2, 4, 5, 4), [2, 3, 3], {"padding": 1}), ((1, 2, 4, 4, 4), [2, 4, 2], {"stride": 2}),
        ((1, 4, 4, 4, 4), [4, 4, 3], {"padding": 1, "groups": 4}), ((1, 4, 4, 4, 3), [4, 2, 3], {"padding": 1, "groups": 2, "bias": False}),
        ((1, 3, 3, 5, 5), [3, 4, [1, 3, 3]], {"padding": [0, 1, 1]}), ((1, 3, 5, 3, 3), [3, 4, [3, 1, 1]], {"padding": [1, 0, 0]}),
        ((1, 2, 6, 6, 6), [2, 2, 3], {"dilation": 2}), ((2, 5, 3, 3, 3), [5, 4, 1], {}), ((1, 2, 4, 6, 8), [2, 3, [2, 3, 4]], {"stride": [1, 2, 2]}),
        ((2, 4, 5, 4), [2, 3, 3], {"padding": 1}), ((1, 3, 4, 4, 4), [3, 2, 3], {"padding": "same"}),
        ((1, 3, 4, 4, 4), [3, 2, 2], {"padding": "valid"}), ((1, 2, 3, 4, 4), [2, 3, 3], {"padding": 1, "padding_mode": "replicate"}),
        ((1, 2, 3, 4, 4), [2, 3, 3], {"padding": 1, "padding_mode": "circular"}), ((1, 2, 3, 4, 4), [2, 3, 3], {"padding": 1, "padding_mode": "reflect"}),
        ((1, 1, 3, 3, 3), [1, 1, 3], {}), ((1, 4, 2, 8, 8), [4, 8, [2, 4, 4]], {"stride": [2, 4, 4]}),
        ((1, 8, 3, 3, 3), [8, 9, 3], {"padding": 1}), ((1, 2, 7, 5, 3), [2, 2, [3, 2, 1]], {"stride": [2, 1, 1], "dilation": [1, 2, 1], "padding": [2, 0, 0]}),
    ]
    for shape, args, options in three: c(nn.Conv3d, args, options, randn(*shape))
    transposed = [
        ((1, 4, 5, 5), [4, 3, 2], {"stride": 2}), ((1, 4, 5, 5), [4, 3, 2], {"stride": 2, "bias": False}), ((2, 3, 4, 6), [3, 4, 3], {}),
        ((1, 3, 4, 4), [3, 4, 3], {"padding": 1}), ((1, 3, 4, 4), [3, 4, 3], {"stride": 2, "padding": 1, "output_padding": 1}),
        ((1, 3, 4, 5), [3, 2, 4], {"stride": 2, "padding": 1}), ((1, 4, 4, 4), [4, 6, 3], {"groups": 2}),
        ((1, 4, 4, 4), [4, 4, 3], {"groups": 4, "stride": 2, "padding": 1}), ((1, 2, 4, 4), [2, 3, 3], {"dilation": 2}),
        ((1, 2, 3, 5), [2, 3, [3, 2]], {"stride": [1, 2], "padding": [1, 0]}), ((1, 2, 4, 4), [2, 3, 3], {"stride": 3, "output_padding": [1, 2]}),
        ((1, 5, 3, 3), [5, 4, 1], {}), ((3, 4, 4), [3, 2, 2], {"stride": 2}), ((1, 2, 3, 3), [2, 2, 5], {"stride": 2, "padding": 2}),
        ((1, 8, 3, 3), [8, 9, 3], {"stride": 2}), ((1, 2, 4, 4), [2, 2, 2], {"stride": 3}), ((2, 6, 3, 2), [6, 3, 3], {"groups": 3, "padding": 1}),
        ((1, 1, 1, 1), [1, 2, 4], {}), ((1, 2, 4, 4), [2, 3, 3], {"stride": 2, "dilation": 2, "padding": 1, "output_padding": 1}),
        ((1, 3, 2, 7), [3, 4, [1, 4]], {"stride": [1, 2], "padding": [0, 1]}),
    ]
    for shape, args, options in transposed: c(nn.ConvTranspose2d, args, options, randn(*shape))
    flat = [((1, 4, 7), [4, 3, 2], {"stride": 2}), ((2, 3, 6), [3, 4, 3], {}), ((1, 3, 6), [3, 4, 3], {"padding": 1, "bias": False}),
            ((1, 3, 5), [3, 4, 3], {"stride": 2, "padding": 1, "output_padding": 1}), ((1, 4, 5), [4, 6, 3], {"groups": 2}),
            ((1, 4, 5), [4, 4, 4], {"groups": 4, "stride": 2, "padding": 1}), ((1, 2, 6), [2, 3, 3], {"dilation": 3}), ((3, 5), [3, 2, 4], {"stride": 2}),
            ((1, 2, 6), [2, 2, 16], {"stride": 8, "padding": 4}), ((1, 5, 4), [5, 4, 1], {}), ((1, 2, 6), [2, 3, 3], {"stride": 3, "output_padding": 2}),
            ((2, 8, 3), [8, 9, 3], {"stride": 2}), ((1, 2, 4), [2, 2, 2], {"stride": 3}), ((2, 6, 3), [6, 3, 3], {"groups": 3, "padding": 1}),
            ((1, 1, 1), [1, 2, 4], {}), ((1, 2, 4), [2, 3, 3], {"stride": 2, "dilation": 2, "padding": 1, "output_padding": 1}),
            ((1, 3, 9), [3, 4, 5], {"padding": 2}), ((1, 3, 9), [3, 4, 5], {"padding": 4}), ((4, 1, 3), [1, 1, 3], {"stride": 2}), ((1, 6, 4), [6, 2, 2], {"stride": 2, "groups": 2})]
    for shape, args, options in flat: c(nn.ConvTranspose1d, args, options, randn(*shape))


def norms():
    n = lambda *a, **k: record("norms", *a, **k)
    for i, shape in enumerate([(4, 6), (1, 3), (9, 5), (2, 3, 7), (1, 8, 4), (3, 1, 5), (2, 17, 3), (0, 4), (2, 4, 1), (5, 16)] * 2):
        options = [{}, {"eps": 1e-3}, {"affine": False}, {"momentum": 0.01, "eps": 1e-6}][(i + i // 10) % 4]
        n(nn.BatchNorm1d, [shape[1]], options, randn(*shape, scale=2, shift=.5))
    for i, shape in enumerate([(1, 3, 4, 5), (2, 8, 3, 3), (1, 1, 6, 6), (3, 5, 1, 1), (1, 16, 2, 7), (2, 17, 3, 2), (0, 3, 2, 2), (1, 4, 5, 5), (2, 2, 1, 9), (1, 33, 2, 2)] * 2):
        options = [{}, {"eps": 1e-3}, {"affine": False}, {"momentum": 0.01, "eps": 1e-6}][(i + i // 10) % 4]
        n(nn.BatchNorm2d, [shape[1]], options, randn(*shape, scale=2, shift=.5))
    for i, (shape, over) in enumerate([((3, 8), 8), ((2, 5, 7), 7), ((4, 16), [16]), ((2, 3, 4), [3, 4]), ((1, 1), 1), ((2, 2, 3, 5), [2, 3, 5]), ((5, 33), 33), ((1, 64), 64), ((0, 4), 4), ((6,), 6)] * 2):
        options = [{}, {"eps": 1e-3}, {"elementwise_affine": False}, {"bias": False}, {"eps": 1e-12}][(i + i // 10) % 5]
        n(nn.LayerNorm, [over], options, randn(*shape, scale=3, shift=(i % 3) * 4.))
    for i, (shape, over) in enumerate([((3, 8), 8), ((2, 5, 7), 7), ((4, 16), [16]), ((2, 3, 4), [3, 4]), ((1, 1), 1), ((2, 2, 3, 5), [2, 3, 5]), ((5, 33), 33), ((1, 64), 64), ((0, 4), 4), ((6,), 6)] * 2):
        # Without eps it is that of the input's dtype; float32's is given, since this is computed in float64.
        options = [{"eps": 1e-6}, {"eps": 1e-3}, {"elementwise_affine": False, "eps": 1e-5}][i % 3]
        n(nn.RMSNorm, [over], options, randn(*shape, scale=2))
    for i, (groups, shape) in enumerate([(2, (2, 4, 5)), (1, (3, 6)), (3, (1, 6, 3, 4)), (4, (2, 4, 3, 3)), (8, (1, 16, 2, 2)), (1, (2, 5, 7)), (5, (1, 5, 4)), (2, (0, 4, 3)), (4, (2, 8)), (3, (1, 9, 2, 2, 3))] * 2):
        if groups == shape[1] and len(shape) == 2: groups = 1
        options = [{}, {"eps": 1e-3}, {"affine": False}][(i + i // 10) % 3]
        n(nn.GroupNorm, [groups, shape[1]], options, randn(*shape, scale=2, shift=1))
    for i, shape in enumerate([(1, 3, 6), (2, 4, 5), (3, 7), (1, 1, 9), (2, 16, 3), (1, 5, 12), (4, 2, 2), (1, 33, 4), (2, 3, 17), (5, 8)] * 2):
        options = [{}, {"affine": True}, {"affine": True, "track_running_stats": True}, {"eps": 1e-3}][(i + i // 10) % 4]
        n(nn.InstanceNorm1d, [shape[1] if len(shape) == 3 else shape[0]], options, randn(*shape, scale=2, shift=.5))
    for i, shape in enumerate([(1, 3, 4, 4), (2, 4, 3, 5), (3, 5, 5), (1, 1, 9, 2), (2, 16, 2, 2), (1, 5, 6, 6), (4, 2, 2, 1), (1, 33, 2, 2), (2, 3, 1, 7), (8, 3, 3)] * 2):
        options = [{}, {"affine": True}, {"affine": True, "track_running_stats": True}, {"eps": 1e-3}][(i + i // 10) % 4]
        n(nn.InstanceNorm2d, [shape[1] if len(shape) == 4 else shape[0]], options, randn(*shape, scale=2, shift=.5))


SHAPES = [(), (1,), (7,), (3, 4), (2, 3, 5), (1, 2, 3, 3), (0,), (17,), (4, 1, 3), (2, 0, 3)]


def activations():
    a = lambda *x, **k: record("activations", *x, **k)
    wide = lambda i, shape: randn(*shape, scale=[1, 4, .1, 12][i % 4])
    for cls in [nn.Sigmoid, nn.Tanh, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.ReLU6]:
        for i, shape in enumerate(SHAPES * 2): a(cls, [], {}, wide(i, shape))
    for i, shape in enumerate(SHAPES * 2):
        a(nn.GELU, [], {"approximate": "tanh"} if i % 2 else {}, wide(i // 2, shape))
        a(nn.LeakyReLU, [], [{}, {"negative_slope": .2}, {"negative_slope": 0.}][i % 3], wide(i, shape))
        a(nn.ELU, [], [{}, {"alpha": .5}, {"alpha": 2.}][i % 3], wide(i, shape))
    for i, shape in enumerate([(3,), (2, 4), (1, 3, 5), (2, 5, 2, 3), (4, 1), (0, 3), (2, 3, 4), (6, 7), (1, 16, 2, 2), (5, 2)] * 2):
        one = i >= 10 or len(shape) < 2
        a(nn.PReLU, [], {} if one else {"num_parameters": shape[1]}, wide(i, shape))
    for cls in [nn.Softmax, nn.LogSoftmax]:
        for i, (shape, dim) in enumerate([((5,), 0), ((3, 4), 1), ((3, 4), 0), ((2, 3, 5), -1), ((2, 3, 5), 1), ((2, 3, 5), 0), ((1, 1), 1), ((2, 33), 1), ((1, 4, 3, 2), 1), ((0, 4), 1)] * 2):
            a(cls, [dim], {}, wide(i + i // 10, shape))


def pooling():
    p = lambda *a, **k: record("pooling", *a, **k)
    one = [((1, 2, 9), [2], {}), ((2, 3, 10), [3], {}), ((1, 3, 11), [3], {"stride": 2}), ((1, 2, 9), [3], {"stride": 1, "padding": 1}),
           ((1, 2, 10), [3], {"stride": 2, "ceil_mode": True}), ((3, 8), [2], {}), ((1, 2, 10), [4], {"stride": 3, "padding": 2, "ceil_mode": True}),
           ((1, 5, 7), [7], {}), ((1, 1, 6), [1], {}), ((2, 2, 12), [5], {"stride": 4, "padding": 2})]
    for i, (shape, args, options) in enumerate(one * 2):
        p(nn.MaxPool1d, args, {**options, **({"dilation": 2} if i >= 10 and args[0] < 4 else {})}, randn(*shape))
        p(nn.AvgPool1d, args, {**options, **({"count_include_pad": False} if i >= 10 else {})}, randn(*shape))
    two = [((1, 2, 8, 8), [2], {}), ((2, 3, 9, 7), [3], {"stride": 2, "padding": 1}), ((1, 3, 9, 9), [3], {"stride": 2, "ceil_mode": True}),
           ((1, 3, 8, 9), [3], {"stride": 2, "padding": 1, "ceil_mode": True}), ((1, 2, 8, 6), [[2, 3]], {}), ((1, 2, 8, 6), [[3, 1]], {"stride": [1, 2], "padding": [1, 0]}),
           ((3, 6, 6), [2], {}), ((1, 17, 5, 5), [5], {}), ((1, 2, 7, 7), [3], {"stride": 1, "padding": 1}), ((1, 1, 5, 11), [[5, 3]], {"stride": [2, 3], "ceil_mode": True})]
    for i, (shape, args, options) in enumerate(two * 2):
        small = args[0] != 5 and args[0] != [5, 3]
        p(nn.MaxPool2d, args, {**options, **({"dilation": 2} if i >= 10 and small else {})}, randn(*shape))
        p(nn.AvgPool2d, args, {**options, **([{"count_include_pad": False}, {"divisor_override": 3}][i % 2] if i >= 10 else {})}, randn(*shape))
    adapt1 = [((1, 2, 9), 1), ((2, 3, 10), 3), ((1, 3, 11), 4), ((3, 8), 2), ((1, 2, 5), 5), ((1, 2, 3), 7), ((1, 1, 1), 1), ((2, 17, 6), 6), ((1, 4, 12), 5), ((1, 2, 100), 3)]
    for shape, size in adapt1 * 2: p(nn.AdaptiveAvgPool1d, [size], {}, randn(*shape))
    adapt2 = [((1, 2, 8, 8), 1), ((2, 3, 9, 7), [3, 2]), ((1, 3, 9, 9), 7), ((1, 3, 8, 9), [None, 1]), ((1, 2, 8, 6), [2, None]), ((3, 6, 6), 2), ((1, 17, 5, 5), [5, 1]), ((1, 2, 3, 3), 5), ((1, 1, 5, 11), [1, 4]), ((1, 4, 7, 7), [6, 6])]
    for shape, size in adapt2 * 2:
        p(nn.AdaptiveAvgPool2d, [size], {}, randn(*shape))
        p(nn.AdaptiveMaxPool2d, [size], {}, randn(*shape))


def shapes():
    s = lambda *a, **k: record("shapes", *a, **k)
    for i, (count, dim, shape) in enumerate([(5, 3, (4,)), (10, 4, (2, 3)), (3, 8, ()), (7, 1, (1,)), (1, 5, (2,)), (16, 17, (3,)), (100, 2, (2, 2, 2)), (4, 4, (0,)), (9, 6, (9,)), (2, 32, (1, 5))] * 2):
        s(nn.Embedding, [count, dim], [{}, {"padding_idx": 0}, {"padding_idx": -1}][i % 3], randint(count, *shape))
    for i, shape in enumerate([(2, 3, 4), (2, 3, 4, 5), (6,), (3, 4), (1, 2, 1, 3), (0, 3, 2), (2, 2, 2, 2), (5, 1), (3, 2, 2), (1, 1, 1)] * 2):
        many = len(shape) > 1
        options = [{}, {"start_dim": 0}, {"start_dim": -2}, {"start_dim": 0, "end_dim": 1}, {"end_dim": -1}, {"start_dim": 1, "end_dim": 2}][i % 6]
        if len(shape) < 3: options = {"start_dim": 0} if len(shape) == 1 else [{}, {"start_dim": 0}][i % 2]
        s(nn.Flatten, [], options, randn(*shape))
    for shape, dim, sizes in [((2, 12), 1, [3, 4]), ((2, 12), 1, [2, -1]), ((12, 2), 0, [2, 2, 3]), ((6,), 0, [2, 3]), ((2, 3, 8), -1, [4, 2]), ((2, 4, 3), 1, [2, 2]), ((0, 6), 1, [3, 2]), ((1, 1), 1, [1, 1]), ((2, 6, 2), -2, [-1, 3]), ((9, 1), 0, [3, 3])] * 2:
        s(nn.Unflatten, [dim, sizes], {}, randn(*shape))
    for i, shape in enumerate(SHAPES * 2):
        s(nn.Identity, [], {}, randn(*shape))
        s(nn.Dropout, [], [{}, {"p": 0.1}][i % 2], randn(*shape))
    up = [((1, 2, 3), {"scale_factor": 2.}), ((1, 2, 3), {"size": 7}), ((1, 2, 3), {"scale_factor": 2., "mode": "linear"}), ((1, 2, 5), {"size": 3, "mode": "linear", "align_corners": True}),
          ((1, 2, 3, 4), {"scale_factor": 2.}), ((2, 3, 3, 2), {"scale_factor": [2., 3.]}), ((1, 2, 4, 4), {"size": [7, 5]}), ((1, 2, 4, 4), {"size": 3}), ((1, 2, 5, 5), {"scale_factor": 1.5}),
          ((1, 2, 3, 4), {"scale_factor": 2., "mode": "bilinear"}), ((1, 2, 3, 4), {"scale_factor": 2., "mode": "bilinear", "align_corners": True}), ((1, 2, 6, 6), {"size": [4, 3], "mode": "bilinear"}),
          ((1, 2, 6, 6), {"size": [9, 11], "mode": "bilinear", "align_corners": True}), ((2, 1, 3, 3), {"scale_factor": [1.5, 2.5], "mode": "bilinear"}), ((1, 2, 4, 5), {"scale_factor": 2., "mode": "bicubic"}),
          ((1, 1, 6, 5), {"size": [9, 4], "mode": "bicubic"}), ((1, 1, 6, 5), {"size": [9, 4], "mode": "bicubic", "align_corners": True}), ((1, 2, 1, 1), {"size": 4, "mode": "bilinear"}),
          ((1, 1, 2, 3, 2), {"scale_factor": 2.}), ((1, 1, 2, 3, 2), {"scale_factor": 2., "mode": "trilinear"}), ((1, 3, 2, 2), {"scale_factor": 0.5})]
    for shape, options in up: s(nn.Upsample, [], options, randn(*shape))


def attention():
    F = nn.functional.scaled_dot_product_attention
    def plain(shapes, **call):
        q, k, v = (randn(*shape) for shape in shapes)
        put("attention", "scaledDotProductAttention", [], {}, "", {}, [q, k, v], call, {"out": F(q, k, v, **call)})
    three = lambda *shape: [shape] * 3
    plain(three(1, 1, 4, 8)); plain(three(2, 3, 5, 4)); plain(three(6, 8)); plain(three(2, 5, 8)); plain(three(1, 2, 1, 4))
    plain([(1, 2, 3, 4), (1, 2, 7, 4), (1, 2, 7, 4)]); plain([(2, 3, 4), (2, 6, 4), (2, 6, 5)]); plain(three(1, 2, 6, 4), is_causal=True)
    plain(three(5, 4), is_causal=True); plain([(1, 1, 3, 4), (1, 1, 5, 4), (1, 1, 5, 4)], is_causal=True)
    plain(three(1, 2, 5, 4), attn_mask=randn(5, 5)); plain(three(2, 2, 5, 4), attn_mask=randn(2, 1, 5, 5)); plain(three(2, 2, 5, 4), attn_mask=randbool(5, 5, share=.7) | torch.eye(5, dtype=torch.bool))
    plain(three(2, 3, 4, 4), attn_mask=randbool(2, 1, 1, 4, share=.5) | (torch.arange(4) == 0)); plain(three(1, 2, 4, 8), scale=.1); plain(three(1, 2, 4, 8), scale=1., is_causal=True)
    plain([(2, 1, 3, 4), (2, 4, 5, 4), (2, 4, 5, 4)]); plain(three(1, 1, 33, 3)); plain(three(1, 4, 9, 16)); plain([(3, 2, 1, 5), (3, 2, 8, 5), (3, 2, 8, 6)], attn_mask=randn(1, 8)); plain(three(0, 2, 3, 4))
    def mha(args, options, shapes, **call):
        inputs = [randn(*shape) for shape in shapes]
        module_inputs = inputs * 3 if len(inputs) == 1 else inputs
        record("attention", nn.MultiheadAttention, args, options, *module_inputs[:len(inputs)], call=call, run=lambda m: m(*module_inputs, need_weights=False, **call)[0])
    mha([8, 2], {}, [(5, 2, 8)]); mha([8, 2], {"batch_first": True}, [(2, 5, 8)]); mha([8, 1], {}, [(5, 8)]); mha([12, 3], {"bias": False, "batch_first": True}, [(1, 4, 12)])
    mha([8, 4], {"batch_first": True, "dropout": .1}, [(3, 3, 8)]); mha([8, 8], {"batch_first": True}, [(1, 6, 8)])
    mha([8, 2], {"batch_first": True}, [(2, 3, 8), (2, 6, 8), (2, 6, 8)]); mha([8, 2], {}, [(3, 2, 8), (6, 2, 8), (6, 2, 8)])
    mha([8, 2], {"kdim": 6, "vdim": 5, "batch_first": True}, [(2, 3, 8), (2, 4, 6), (2, 4, 5)]); mha([8, 2], {"kdim": 6, "batch_first": True, "bias": False}, [(2, 3, 8), (2, 4, 6), (2, 4, 8)])
    mha([8, 2], {"vdim": 3}, [(3, 2, 8), (4, 2, 8), (4, 2, 3)])
    mha([8, 2], {"batch_first": True}, [(2, 5, 8)], attn_mask=randn(5, 5)); mha([8, 2], {"batch_first": True}, [(2, 5, 8)], attn_mask=randn(4, 5, 5))
    mha([8, 2], {"batch_first": True}, [(2, 5, 8)], attn_mask=torch.triu(torch.ones(5, 5, dtype=torch.bool), 1))
    mha([8, 2], {"batch_first": True}, [(2, 5, 8)], attn_mask=torch.triu(torch.ones(5, 5, dtype=torch.bool), 1), is_causal=True)
    mha([8, 2], {"batch_first": True}, [(2, 5, 8)], key_padding_mask=torch.tensor([[False, False, False, True, True], [False, False, False, False, True]]))
    mha([8, 2], {}, [(5, 2, 8)], key_padding_mask=torch.tensor([[False, True, False, True, False], [False, False, False, False, True]]), attn_mask=torch.triu(torch.ones(5, 5, dtype=torch.bool), 1))
    mha([8, 2], {"batch_first": True}, [(2, 5, 8)], key_padding_mask=randn(2, 5)); mha([8, 2], {"batch_first": True}, [(2, 3, 8), (2, 4, 8), (2, 4, 8)], key_padding_mask=randn(2, 4), attn_mask=randn(3, 4))
    mha([8, 2], {}, [(5, 8)], key_padding_mask=torch.tensor([False, False, True, False, True])); mha([16, 4], {"batch_first": True}, [(1, 9, 16)]); mha([6, 3], {"batch_first": True}, [(2, 1, 6)])
    def layer(args, options, shape, **call):
        record("attention", nn.TransformerEncoderLayer, args, options, randn(*shape), call=call)
    causal = lambda n: torch.triu(torch.ones(n, n, dtype=torch.bool), 1)
    base = {"dim_feedforward": 12}
    for first in [False, True]:
        for activation in ["relu", "gelu"]:
            o = {**base, "norm_first": first, "activation": activation}
            layer([8, 2], o, (4, 2, 8)); layer([8, 2], {**o, "batch_first": True}, (2, 4, 8)); layer([8, 4], {**o, "batch_first": True, "bias": False}, (1, 5, 8))
            layer([8, 2], {**o, "batch_first": True}, (2, 4, 8), src_mask=causal(4))
            layer([8, 1], {**o, "batch_first": True, "layer_norm_eps": 1e-3}, (2, 4, 8), src_key_padding_mask=torch.tensor([[False, False, True, True], [False] * 4]))
    layer([8, 2], {**base, "dropout": 0.}, (4, 8)); layer([8, 2], {**base, "batch_first": True, "norm_first": True}, (2, 4, 8), src_mask=randn(4, 4))
    def encoder(args, options, count, shape, norm=False, **call):
        o = {**base, **options}
        made = lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(*args, **o), count, norm=nn.LayerNorm(args[0]) if norm else None, enable_nested_tensor=False)
        module = made().double().eval()
        with torch.no_grad():
            shuffle_state(module)
            x = randn(*shape)
            y = module(x, **call)
        put("attention", "TransformerEncoder", [args, count, norm], o, str(module), module.state_dict(), [x], call, {"out": y})
    for i in range(20):
        b, t = 1 + i % 2, 3 + i % 3
        o = {"batch_first": i % 4 > 0, "norm_first": i % 3 == 0, "activation": ["relu", "gelu"][i % 2]}
        call = [{}, {"mask": causal(t)}, {"mask": causal(t), "is_causal": True}, {"src_key_padding_mask": torch.arange(t).expand(b, t) >= 2}][i // 5]
        encoder([4, 2], {**o, "dim_feedforward": 6}, 1 + i % 3, (b, t, 4) if o["batch_first"] else (t, b, 4), i % 5 < 2, **call)


def recurrent():
    def one(cls, args, options, shape, initial=False):
        x = randn(*shape)
        layers, both = options.get("num_layers", 1), 2 if options.get("bidirectional") else 1
        batch = [] if len(shape) == 2 else [shape[0] if options.get("batch_first") else shape[1]]
        states = [randn(layers * both, *batch, args[1]) for _ in range(2 if cls is nn.LSTM else 1)] if initial else []
        given = () if not initial else (tuple(states),) if cls is nn.LSTM else (states[0],)
        def outputs(y):
            return {"out": y[0], **({"h": y[1][0], "c": y[1][1]} if cls is nn.LSTM else {"h": y[1]})}
        record("recurrent", cls, args, options, x, *states, run=lambda m: m(x, *given), outputs=outputs)
    for cls in [nn.LSTM, nn.GRU]:
        one(cls, [3, 4], {}, (5, 2, 3)); one(cls, [3, 4], {"bias": False}, (5, 2, 3)); one(cls, [3, 4], {"batch_first": True}, (2, 5, 3)); one(cls, [3, 4], {}, (5, 3))
        one(cls, [3, 4], {"num_layers": 2}, (4, 1, 3)); one(cls, [3, 4], {"num_layers": 3, "dropout": .1}, (3, 2, 3)); one(cls, [3, 4], {"bidirectional": True}, (5, 2, 3))
        one(cls, [2, 3], {"bidirectional": True, "num_layers": 2, "batch_first": True}, (2, 4, 2)); one(cls, [3, 4], {}, (5, 2, 3), True); one(cls, [3, 4], {"batch_first": True}, (2, 5, 3), True)
        one(cls, [2, 3], {"bidirectional": True, "num_layers": 2}, (4, 2, 2), True); one(cls, [3, 4], {}, (5, 3), True); one(cls, [1, 1], {}, (3, 1, 1)); one(cls, [5, 7], {"batch_first": True}, (1, 1, 5))
        one(cls, [8, 16], {"batch_first": True}, (1, 12, 8)); one(cls, [4, 9], {}, (3, 5, 4)); one(cls, [3, 5], {"bidirectional": True, "bias": False}, (6, 1, 3)); one(cls, [3, 4], {"bidirectional": True}, (5, 3), True)
        one(cls, [6, 5], {"num_layers": 2, "batch_first": True}, (3, 2, 6), True); one(cls, [3, 6], {"bidirectional": True, "num_layers": 2, "batch_first": True, "bias": False}, (2, 3, 3), True); one(cls, [17, 3], {}, (20, 1, 17)); one(cls, [3, 4], {}, (5, 20, 3))


class Block(nn.Module):
    def __init__(self, c, k, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c, k, 3, stride, 1, bias=False), nn.BatchNorm2d(k)
        self.relu = nn.ReLU()
        self.conv2, self.bn2 = nn.Conv2d(k, k, 3, 1, 1, bias=False), nn.BatchNorm2d(k)
        self.downsample = nn.Sequential(nn.Conv2d(c, k, 1, stride, bias=False), nn.BatchNorm2d(k)) if stride > 1 or c != k else None
    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1, self.relu, self.maxpool = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        self.layer1, self.layer2 = nn.Sequential(Block(8, 8, 1)), nn.Sequential(Block(8, 16, 2), Block(16, 16, 1))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(16, 10)
    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(self.avgpool(self.layer2(self.layer1(x))).flatten(1))


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.cls_token, self.pos_embed = nn.Parameter(torch.zeros(1, 1, 16)), nn.Parameter(torch.zeros(1, 17, 16))
        self.patch_embed = nn.Conv2d(3, 16, 4, 4)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, activation="gelu", batch_first=True, norm_first=True), 2, nn.LayerNorm(16), enable_nested_tensor=False)
        self.head = nn.Linear(16, 10)
    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
        return self.head(self.encoder(x)[:, 0])


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.lstm, self.fc = nn.Embedding(20, 8, padding_idx=0), nn.LSTM(8, 12, 2, batch_first=True, bidirectional=True), nn.Linear(24, 5)
    def forward(self, ids):
        return self.fc(self.lstm(self.embedding(ids))[0]).log_softmax(-1)


def models(folder):
    """Whole state dicts in float32, as PyTorch saves them, with an input and an output beside them."""
    for name, cls, x in [("resnet", ResNet, torch.randn(2, 3, 32, 32, generator=g)), ("vit", ViT, torch.randn(2, 3, 16, 16, generator=g)), ("tagger", Tagger, randint(20, 3, 7))]:
        torch.manual_seed(3)
        m = cls().eval()
        with torch.no_grad():
            shuffle_state(m)
            y = m(x)
        save_file(m.state_dict(), f"{folder}/torch-model-{name}.safetensors")
        save_file({"in": x if x.is_floating_point() else x.int(), "out": y}, f"{folder}/torch-model-{name}-run.safetensors")


folder = sys.argv[1]
for family in [convolutions, norms, activations, pooling, shapes, attention, recurrent]: family()
for family, (cases, tensors) in families.items():
    path = f"{folder}/torch-layers-{family}"
    with open(f"{path}.json", "w") as f:
        f.write('{"cases": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]}\n")
    save_file(tensors, f"{path}.safetensors")
    print(family, len(cases), os.path.getsize(f"{path}.json"), os.path.getsize(f"{path}.safetensors"))
models(folder)
print(counts)
