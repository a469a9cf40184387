"""Records what PyTorch 2.15, and for Resize onnx 1.23's reference, answer for operations: `python torch_operations.py torch-operations` writes
torch-operations.json and torch-operations.safetensors. Needs torch and onnx; the tests need neither. Functions of
floats are computed in float64 and rounded once, so that the answers are right to the last place."""
import json, math, struct, sys
import torch, torch.nn.functional as F

NAMES = {torch.float32: "F32", torch.int32: "I32", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
         torch.float16: "F16", torch.bfloat16: "BF16"}
torch.manual_seed(11)
T, cases = {}, []
out = sys.argv[1]
inf, nan = float("inf"), float("nan")


def save_file(tensors, path):
    header, data = {}, b""
    for key, t in sorted(tensors.items(), key=lambda item: -item[1].element_size()):
        raw = t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b""
        header[key] = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


def stored(t):
    if t.dtype == torch.float64: t = t.float()
    if t.dtype == torch.int64: t = t.clamp(-2**31, 2**31 - 1).int()
    return t.contiguous().clone()


def wide(v):
    if isinstance(v, torch.Tensor): return v.double() if v.dtype == torch.float32 else v.long() if v.dtype == torch.int32 else v
    if isinstance(v, (list, tuple)): return [wide(x) for x in v]
    return v


known = {}
def named(v):
    """A tensor's name among those recorded; lists of tensors and plain values as they are."""
    if isinstance(v, torch.Tensor):
        if id(v) not in known:
            known[id(v)] = (f"in{len(known)}", v)
            T[known[id(v)][0]] = stored(v)
        return {"tensor": known[id(v)][0]}
    if isinstance(v, (list, tuple)): return [named(x) for x in v]
    if isinstance(v, float) and (math.isinf(v) or math.isnan(v)): return {"number": str(v).replace("inf", "Infinity").replace("nan", "NaN")}
    return v


def case(call, args, fn, options=None, atol=0.0, exact=False):
    """`call(...args, options)` gives what `fn` gives of the args in double precision."""
    y = fn(*(args if exact else wide(args)))
    name = f"{call}-{len(cases)}"
    ys = list(y) if isinstance(y, (list, tuple)) else [y]
    for i, part in enumerate(ys): T[f"{name}.{i}"] = stored(part)
    cases.append({"name": name, "call": call, "args": named(args), "options": options, "results": len(ys), "many": isinstance(y, (list, tuple)), "atol": atol})


f32 = lambda *v: torch.tensor(v, dtype=torch.float32)
i32 = lambda *v: torch.tensor(v, dtype=torch.int32)
SPECIAL = [0.0, -0.0, 1, -1, 0.5, -0.5, 1e-6, -1e-6, 1e-20, 3.5, -3.5, 2.5, 10, -10, 88.5, -87, 100, -100, 1e10, -1e10, inf, -inf, nan]
ordinary = torch.cat([torch.randn(60), torch.randn(60) * 5, torch.rand(20) * 1e-3, torch.rand(10) * 80, -torch.rand(10) * 80])
special = torch.cat([f32(*SPECIAL), ordinary])
positive = ordinary.abs()

for op in ["neg", "abs", "sign", "floor", "ceil", "round", "trunc", "sqrt", "rsqrt", "reciprocal", "exp", "expm1", "log", "log1p", "erf", "erfc", "tanh", "sigmoid", "isnan", "isinf"]:
    case(op, [special], getattr(torch, op))
for op in ["sqrt", "rsqrt", "log"]: case(op, [positive], getattr(torch, op))
angles = torch.cat([torch.randn(50) * 3, torch.randn(50) * 1000, f32(0, 1e5, -1e5, inf, nan)])
for op in ["sin", "cos"]: case(op, [angles], getattr(torch, op), atol=2e-6)
whole = torch.randint(-100, 100, (23,), dtype=torch.int32)
for op in ["neg", "abs", "sign", "exp", "sqrt", "floor", "tanh"]: case(op, [whole], getattr(torch, op))

# Activations.
for approximate in ["none", "tanh"]: case("gelu", [special], lambda x: F.gelu(x, approximate=approximate), {"approximate": approximate}, atol=1e-7)
case("silu", [special], F.silu); case("hardsigmoid", [special], F.hardsigmoid); case("hardswish", [special], F.hardswish, atol=1e-7)
case("leakyRelu", [special], F.leaky_relu); case("leakyRelu", [special, 0.2], F.leaky_relu)
case("elu", [special], F.elu); case("elu", [special, 1.5], F.elu)
case("softplus", [special], F.softplus)
case("softplus", [special], lambda x: F.softplus(x, beta=2, threshold=5), {"beta": 2, "threshold": 5})
case("prelu", [torch.randn(2, 3, 5), torch.rand(3)], F.prelu); case("prelu", [torch.randn(2, 3, 5), torch.rand(1)], F.prelu)

# Two values, all pairs of special ones, and shapes that broadcast.
few = f32(0.0, -0.0, 1, -1, 0.5, -2, 3, 7.25, -1e20, 1e30, inf, -inf, nan)
BINARY = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "maximum": torch.maximum, "minimum": torch.minimum,
          "eq": torch.eq, "ne": torch.ne, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge, "pow": torch.pow, "fmod": torch.fmod, "remainder": torch.remainder,
          "logicalAnd": torch.logical_and, "logicalOr": torch.logical_or, "logicalXor": torch.logical_xor}
column, row = few.reshape(-1, 1).clone(), few.clone()
moderate = f32(0.5, -2, 3, 7.25, -11.5, 100.25, 0, inf, -inf, nan)
SHAPES = [((), ()), ((5,), ()), ((3, 4), (4,)), ((3, 4), (3, 1)), ((2, 3, 4), (3, 1)), ((2, 1, 4), (3, 1)), ((2, 3, 1, 5), (1, 3, 4, 1)), ((0, 3), (3,)), ((1, 7), (6, 1)), ((4, 1), (1, 1))]
pairs = [(torch.randn(a), torch.randn(b)) for a, b in SHAPES]
ints = [(torch.randint(-9, 9, a, dtype=torch.int32), torch.randint(-9, 9, b, dtype=torch.int32)) for a, b in SHAPES]
for op, fn in BINARY.items():
    wrapped = op in ("fmod", "remainder")
    a, b = (moderate.reshape(-1, 1), moderate) if wrapped else (column, row)
    case(op, [a, b], fn, atol=1e-5 if wrapped else 0)
    for a, b in pairs: case(op, [a, b], fn, atol=1e-5 if wrapped else 0) if op in ("add", "lt", "maximum") else None
    for a, b in ints[:5]:
        if op == "pow": b = b.abs() % 5
        if op in ("fmod", "remainder"): b = b.abs() + 1
        case(op, [a, b], fn)
    if op not in ("logicalAnd", "logicalOr", "logicalXor", "maximum", "minimum"):
        case(op, [moderate, 2.5], fn, atol=1e-5 if wrapped else 0)
        case(op, [whole, 3], fn)
        if op not in ("pow", "fmod"): case(op, [whole, 2.5], fn)
bases = torch.cat([torch.rand(40) * 3, torch.rand(10) * 1e-3, 10 ** (torch.rand(20) * 20 - 10)])
exponents = torch.cat([torch.randn(40) * 8, torch.randn(10), torch.randn(20)])
case("pow", [bases, exponents], torch.pow)
for n in [0, 1, 2, 3, 4, 10, 0.5, -0.5, -1, -2, 2.5, -3, 30]: case("pow", [torch.cat([ordinary[:30], few]), n], torch.pow)
case("pow", [2, ordinary[:30].clone()], torch.pow)
case("pow", [f32(1.5, -1.5, 0.99, 1.01, -1.001), f32(200, 201, 8000, 8000, 9001)], torch.pow)
for mode in ["trunc", "floor"]:
    case("div", [ints[2][0], ints[2][1].abs() + 1], lambda a, b: torch.div(a, b, rounding_mode=mode), {"roundingMode": mode})
    case("div", [torch.randn(40) * 20, f32(0.1)], lambda a, b: torch.div(a, b, rounding_mode=mode), {"roundingMode": mode})
    case("div", [f32(6, 9, -6, 0.3, 1e9, 7), 3], lambda a, b: torch.div(a, b, rounding_mode=mode), {"roundingMode": mode})
case("logicalNot", [few], torch.logical_not); case("logicalNot", [whole], torch.logical_not)
flag = torch.randn(3, 4) > 0
case("where", [flag, torch.randn(3, 4), torch.randn(4)], torch.where); case("where", [flag, torch.randn(3, 1), 2.5], torch.where)
case("where", [flag, ints[2][0], 7], torch.where); case("where", [flag[:, :1].clone(), 1.5, torch.randn(4)], torch.where)
case("clamp", [special], lambda x: x.clamp(-1, 2), {"min": -1, "max": 2}); case("clamp", [special], lambda x: x.clamp(min=0.25), {"min": 0.25})
case("clamp", [special], lambda x: x.clamp(max=0.25), {"max": 0.25}); case("clamp", [special], lambda x: x.clamp(2, 1), {"min": 2, "max": 1})
case("clamp", [whole], lambda x: x.clamp(-5, 7), {"min": -5, "max": 7})

# Movement.
x3 = torch.randn(2, 3, 5); y3 = torch.randint(-99, 99, (3, 4), dtype=torch.int32)
for dims in [[2, 0, 1], [0, 2, 1], [-1, -2, -3], [0, 1, 2]]: case("permute", [x3, dims], torch.permute)
case("permute", [torch.randn(2, 3, 1, 4), [0, 3, 1, 2]], torch.permute)
case("transpose", [y3, 0, 1], torch.transpose); case("transpose", [x3, -1, 0], torch.transpose)
case("expand", [torch.randn(3, 1), [2, -1, 4]], lambda x, s: x.expand(s)); case("expand", [torch.randn(1, 3, 1), [2, 3, 1]], lambda x, s: x.expand(s)); case("expand", [torch.randn(()), [2, 2]], lambda x, s: x.expand(s))
case("tile", [y3, [2, 1]], torch.tile); case("tile", [y3, [2, 1, 3]], torch.tile); case("tile", [x3, [2]], torch.tile); case("tile", [y3, [0, 2]], torch.tile)
several = [torch.randn(2, n, 3) for n in (1, 4, 0, 2)]
case("cat", [several, 1], torch.cat); case("cat", [[y3, y3], 0], torch.cat); case("cat", [[y3, torch.randn(3, 2)], -1], torch.cat)
case("cat", [[torch.randn(2, 1 + n % 3) for n in range(17)], 1], torch.cat); case("cat", [[torch.randn(n % 4, 3) for n in range(60)], 0], torch.cat)
case("stack", [[y3, y3 + 1, y3 - 1], 1], torch.stack); case("stack", [[torch.randn(3), torch.randn(3)], -1], torch.stack)
for sizes, dim in [(2, 0), ([1, 2, 2], 2), (4, -1), ([3], 1)]: case("split", [x3, sizes, dim], torch.split)
line = torch.arange(10, dtype=torch.int32).reshape(2, 5)
for s in [slice(1, 4), slice(None, 2), slice(0, None, 2), slice(-3, None), slice(4, 99), slice(3, 2), slice(-99, 99, 3)]:
    case("slice", [line, 1, 0 if s.start is None else s.start, 2**31 - 1 if s.stop is None else s.stop, 1 if s.step is None else s.step], lambda x, *_: x[:, s])
for start, end, step in [(4, -6, -1), (3, 0, -2), (-1, -99, -2)]:
    case("slice", [line, 1, start, end, step], lambda x, *_: x[:, list(range(5))[slice(start, end, step)]])
case("slice", [x3, 0, 1, 2], lambda x, *_: x[1:2]); case("slice", [x3, 2, 1, 5, 2], lambda x, *_: x[:, :, 1:5:2])
for dims in [[0], [1, 2], [-1], [0, 1, 2]]: case("flip", [x3, dims], torch.flip)
for padding, mode, options in [([1, 2], "constant", {}), ([1, 2, 3, 4], "constant", {"value": -1.5}), ([-1, 2, 1, -1], "constant", {}), ([0, 0, 0, 0, 1, 1], "constant", {}), ([2, 4], "reflect", {}), ([1, 2], "replicate", {}), ([2, 1], "circular", {}), ([-1, 3], "reflect", {}), ([-2, 1], "replicate", {})]:
    fn = (lambda x, p: F.pad(x, p, mode=mode, **options))
    case("pad", [x3, padding], fn, {"mode": mode, **options})
    if len(padding) == 2 or mode == "constant": case("pad", [torch.randn(1, 2, 5), padding], fn, {"mode": mode, **options})
x4 = torch.randn(1, 2, 4, 5)
for mode in ["reflect", "replicate", "circular"]: case("pad", [x4, [1, 2, 3, 0]], lambda x, p: F.pad(x, p, mode=mode), {"mode": mode})
case("pad", [y3, [1, 1]], F.pad, {"value": 0}, exact=True)
case("gather", [x3, 1, torch.randint(0, 3, (2, 4, 5), dtype=torch.int32)], torch.gather); case("gather", [y3, 0, torch.randint(0, 3, (1, 2), dtype=torch.int32)], torch.gather); case("gather", [x3, -1, torch.randint(0, 5, (1, 2, 7), dtype=torch.int32)], torch.gather)
for dim in [0, 1, -1]: case("indexSelect", [x3, dim, i32(1, 0, 1, 0)], lambda x, d, i: torch.index_select(x, d, i))
case("indexSelect", [torch.randn(7, 3), 0, torch.randint(0, 7, (2, 3, 2), dtype=torch.int32)], lambda x, d, i: x[i]); case("indexSelect", [x3, 1, torch.tensor(2, dtype=torch.int32)], lambda x, d, i: x[:, 2])
nd = torch.randint(0, 2, (4, 2), dtype=torch.int32)
case("gatherNd", [x3, nd], lambda x, i: x[i[:, 0], i[:, 1]]); case("gatherNd", [x3, i32(1, -1, 3).reshape(1, 3)], lambda x, i: x[1, -1, 3].reshape(1))
case("gatherNd", [x3, i32(1, 2).reshape(2, 1), 1], lambda x, i, b: torch.stack([x[0, 1], x[1, 2]])); case("gatherNd", [x3, torch.randint(0, 3, (2, 6, 1), dtype=torch.int32), 1], lambda x, i, b: torch.stack([x[n][i[n, :, 0]] for n in range(2)]))
case("squeeze", [torch.randn(1, 3, 1)], torch.squeeze); case("squeeze", [torch.randn(1, 3, 1), -1], torch.squeeze); case("unsqueeze", [x3, 1], torch.unsqueeze); case("unsqueeze", [x3, -1], torch.unsqueeze)
case("flatten", [x3], torch.flatten); case("flatten", [x3, 1], torch.flatten); case("flatten", [torch.randn(())], torch.flatten); case("unflatten", [torch.randn(2, 12), 1, [3, -1]], lambda x, d, s: x.unflatten(d, s))

# Reductions.
x5 = torch.randn(2, 3, 1, 4, 3); wide_rows = torch.randn(3, 131) + 3; tall = torch.randn(70, 5)
i5 = torch.randint(-9, 9, (2, 3, 4), dtype=torch.int32)
odd = f32(1, nan, 3, -inf, 2, 5, 0, -0.0, 7).reshape(3, 3)
for op, fn in {"sum": torch.sum, "mean": torch.mean, "amax": torch.amax, "amin": torch.amin}.items():
    for x in [x5, wide_rows, tall]:
        case(op, [x], lambda x: fn(x, dim=tuple(range(x.ndim))), atol=1e-6)
        for dims in [0, -1, [0, 1]]:
            case(op, [x, dims], lambda x, d: fn(x, dim=d), atol=1e-6)
            case(op, [x, dims], lambda x, d: fn(x, dim=d, keepdim=True), {"keepdim": True}, atol=1e-6)
    for dims in [[0, 3], [1, 4], [0, 2, 4], [2], [1, 2, 3]]: case(op, [x5, dims], lambda x, d: fn(x, dim=d), atol=1e-6)
    case(op, [odd, 0], lambda x, d: fn(x, dim=d)); case(op, [odd, 1], lambda x, d: fn(x, dim=d))
    if op != "mean":
        for dims in [1, [0, 2]]: case(op, [i5, dims], lambda x, d: fn(x, dim=d))
    case(op, [torch.randn(()), []], lambda x, d: x)
for x in [x5, wide_rows, i5]: case("prod", [x * 1, -1], lambda x, d: torch.prod(x, d)); case("prod", [tall[:9].clone(), 0], lambda x, d: torch.prod(x, d), {"keepdim": False})
ties = torch.randint(-3, 3, (4, 37), dtype=torch.int32)
for op, fn in {"argmax": torch.argmax, "argmin": torch.argmin}.items():
    for x in [x5, wide_rows, tall, odd]:
        case(op, [x], fn)
        for d in [0, 1]: case(op, [x, d], fn); case(op, [x, d], lambda x, d: fn(x, d, keepdim=True), {"keepdim": True})
    case(op, [ties, 1], lambda x, d: torch.tensor([int((row == (row.max() if op == "argmax" else row.min())).nonzero()[0]) for row in x]))
for d in [0, 1, -1]:
    for x in [x5, wide_rows, tall]:
        case("softmax", [x, d], torch.softmax); case("logSoftmax", [x, d], torch.log_softmax, atol=1e-6)
        case("cumsum", [x, d], torch.cumsum, atol=1e-5)
        case("cumsum", [x, d], lambda x, d: x.flip(d).cumsum(d).flip(d) - x, {"reverse": True, "exclusive": True}, atol=1e-5)
    case("cumsum", [i5, d], torch.cumsum)
extreme = f32(100, -100, 0, 88, -inf, 3, -inf, -inf, -inf, nan, 1, 2, 1e30, 0, -1e30).reshape(5, 3)
case("softmax", [extreme, 1], torch.softmax); case("logSoftmax", [extreme, 1], torch.log_softmax, atol=1e-6)
case("softmax", [torch.randn(3, 40) * 20, 1], torch.softmax); case("softmax", [torch.randn(()), 0], torch.softmax)
w, b = torch.rand(3) + 0.5, torch.randn(3); wl, bl = torch.rand(131) + 0.5, torch.randn(131)
for x, shape, weight, bias in [(wide_rows, [131], None, None), (wide_rows, [131], wl, bl), (wide_rows, [131], wl, None), (x5, [3], w, b), (x5, [4, 3], None, None), (torch.randn(2, 40) * 1e-3 + 100, [40], None, None)]:
    case("layerNorm", [x, shape, weight, bias], F.layer_norm, atol=2e-6); case("rmsNorm", [x, shape, weight], lambda x, s, w: F.rms_norm(x, s, w, eps=2**-23), None, atol=1e-6)
    case("rmsNorm", [x, shape, weight, 0.1], F.rms_norm)
case("layerNorm", [x5, [3], None, None, 0.1], F.layer_norm, atol=1e-6)
g, gw, gb = torch.randn(2, 6, 4, 5), torch.rand(6), torch.randn(6)
for groups in [1, 2, 3, 6]: case("groupNorm", [g, groups, gw, gb], F.group_norm, atol=2e-6); case("groupNorm", [g, groups], F.group_norm, atol=2e-6)
case("groupNorm", [torch.randn(3, 6), 2, gw, gb], F.group_norm, atol=2e-6); case("groupNorm", [g, 2, gw, None, 0.5], F.group_norm, atol=1e-6)
for args in [[g, gb, gw, None, None], [g, gb, gw, gw, gb], [torch.randn(4, 6), gb, gw, gw, None]]: case("batchNorm", args, F.batch_norm, atol=1e-6)
case("batchNorm", [g, gb, gw, gw, gb, 0.01], lambda x, m, v, w, b, e: F.batch_norm(x, m, v, w, b, eps=e), atol=1e-6)

# Interpolation.
p1, p2, p3 = torch.randn(2, 3, 7), torch.randn(1, 2, 5, 6), torch.randn(1, 2, 3, 4, 5)
for mode in ["nearest", "nearest-exact"]:
    for x, options in [(p1, {"size": 3}), (p1, {"size": 20}), (p1, {"scale_factor": 2.5}), (p2, {"size": [7, 3]}), (p2, {"scale_factor": 2}), (p2, {"scale_factor": [0.6, 1.7]}), (p3, {"size": [5, 2, 9]})]:
        case("interpolate", [x], lambda x: F.interpolate(x, mode=mode, **options), {"mode": mode, **{{"scale_factor": "scaleFactor"}.get(k, k): v for k, v in options.items()}}, exact=True)
for mode, x, sizes in [("linear", p1, [3, 13, 1]), ("bilinear", p2, [[7, 3], [2, 11], [1, 1]]), ("bicubic", p2, [[7, 3], [9, 11], [1, 1]]), ("trilinear", p3, [[5, 2, 9]])]:
    for align in [False, True]:
        for size in sizes: case("interpolate", [x], lambda x: F.interpolate(x, size=size, mode=mode, align_corners=align), {"size": size, "mode": mode, "alignCorners": align}, atol=2e-6)
        for scale in [2, 0.6, 1.3]: case("interpolate", [x], lambda x: F.interpolate(x, scale_factor=scale, mode=mode, align_corners=align), {"scaleFactor": scale, "mode": mode, "alignCorners": align}, atol=2e-6)

# ONNX's Resize, as onnx's own reference has it.
import numpy as np, onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
ATTRIBUTES = {"mode": "mode", "coordinateMode": "coordinate_transformation_mode", "nearestMode": "nearest_mode", "cubicCoeff": "cubic_coeff_a", "excludeOutside": "exclude_outside", "antialias": "antialias", "extrapolationValue": "extrapolation_value"}


def resize(x, options):
    attributes = {ATTRIBUTES[k]: int(v) if isinstance(v, bool) else v for k, v in options.items() if k in ATTRIBUTES}
    names = ["x", "roi" if "roi" in options else "", "scales" if "scales" in options else "", "sizes" if "sizes" in options else ""]
    value = lambda n, t: helper.make_tensor_value_info(n, t, None)
    inputs = [value("x", TensorProto.DOUBLE), value("roi", TensorProto.DOUBLE), value("scales", TensorProto.FLOAT), value("sizes", TensorProto.INT64)]
    graph = helper.make_graph([helper.make_node("Resize", names, ["y"], **attributes)], "g", [i for i in inputs if i.name in names], [value("y", TensorProto.DOUBLE)])
    feeds = {"x": x.numpy(), "roi": np.array(options.get("roi", []), float), "scales": np.array(options.get("scales", []), np.float64), "sizes": np.array(options.get("sizes", []), np.int64)}
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    return torch.tensor(ReferenceEvaluator(model).run(None, {n: feeds[n] for n in names if n})[0])


def resize_case(x, **options): case("resize", [x], lambda x: resize(x, options), options, atol=2e-6)


r1, r2 = torch.randn(7), torch.randn(1, 1, 4, 5)
for coordinates in ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]:
    for target in [{"sizes": [4]}, {"sizes": [1]}, {"scales": [2.0]}, {"scales": [0.55]}, {"scales": [1.75]}]:
        for nearest in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]: resize_case(r1, **target, coordinateMode=coordinates, nearestMode=nearest)
        # For one element the reference takes the coordinate −0.5, the operator's text and onnxruntime 0.
        one = coordinates == "pytorch_half_pixel" and target == {"sizes": [1]}
        for mode in ["linear"] if one else ["linear", "cubic"]: resize_case(r1, **target, coordinateMode=coordinates, mode=mode)
    resize_case(r2, sizes=[1, 1, 3, 8], coordinateMode=coordinates, mode="cubic", cubicCoeff=-0.5, excludeOutside=True); resize_case(r2, scales=[1.0, 1.0, 0.6, 0.75], coordinateMode=coordinates, mode="linear", antialias=True)
for mode in ["linear", "cubic"]: resize_case(r2, sizes=[1, 1, 2, 3], mode=mode, antialias=True); resize_case(r2, sizes=[1, 1, 2, 9], mode=mode, antialias=True, excludeOutside=True)
for mode in ["nearest", "linear", "cubic"]:
    resize_case(r2, sizes=[1, 1, 3, 3], coordinateMode="tf_crop_and_resize", mode=mode, roi=[0, 0, 0.4, 0.6, 1, 1, 0.6, 0.8]); resize_case(r2, sizes=[1, 1, 5, 4], coordinateMode="tf_crop_and_resize", mode=mode, roi=[0, 0, 0.4, 0.6, 1, 1, 1.2, 1.7], extrapolationValue=10.0)

open(out + ".json", "w").write(json.dumps({"reference": f"torch {torch.__version__}, onnx {onnx.__version__}", "cases": cases}, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
save_file(T, out + ".safetensors")
