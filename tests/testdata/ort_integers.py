"""Records what onnxruntime's CPU kernels answer for integers: `python ort_integers.py` writes ort-integers.json
and .safetensors beside this file. Needs onnx, onnxruntime and torch; the tests need none."""
import os
import numpy as np
import onnxruntime as ort
import torch
from onnx import TensorProto as T, helper as h
from torch_products import here, save

rng = np.random.default_rng(11)
f32 = np.float32
KINDS = {np.dtype("uint8"): T.UINT8, np.dtype("int8"): T.INT8, np.dtype("float32"): T.FLOAT, np.dtype("int32"): T.INT32}


def run(node, inputs):
    graph = h.make_graph([node], "g", [h.make_tensor_value_info(k, KINDS[v.dtype], v.shape) for k, v in inputs.items()],
                         [h.make_tensor_value_info("y", KINDS[inputs["x"].dtype], None)])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17), h.make_opsetid("com.microsoft", 1)], ir_version=8)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, inputs)[0]


def whole(dtype, *shape):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(dtype)


cases, tensors = [], {}


def record(name, arrays, **facts):
    cases.append({"name": name, **facts})
    for key, a in arrays.items():
        tensors[f"{name}.{key}"] = torch.from_numpy(np.ascontiguousarray(a))


# Channels in, out, height, width, kernel, stride, padding, groups.
convolutions = [(3, 8, 12, 11, 3, 2, 1, 1), (16, 16, 7, 6, 3, 1, 1, 1), (20, 24, 5, 5, 1, 1, 0, 1), (32, 32, 6, 5, 3, 1, 1, 2),
                (12, 12, 9, 8, 3, 1, 1, 12), (24, 24, 7, 7, 5, 2, 2, 24), (5, 7, 8, 8, 3, 1, 0, 1), (1, 6, 9, 9, 5, 1, 2, 1)]
for i, (c, o, H, W, k, s, p, g) in enumerate(convolutions * 3):
    xt = [np.uint8, np.int8][i % 2]
    wt = [np.int8, np.uint8][i // 2 % 2] if xt == np.uint8 else np.int8
    per = i % 3 > 0
    x, w = whole(xt, 1, c, H, W), whole(wt, o, c // g, k, k)
    count = o if per else 1
    sw = (rng.random(count) * .02 + .001).astype(f32)
    sx, sy = f32(rng.random() * .05 + .001), f32(rng.random() * (c // g) * k + .05)
    zx, zy = whole(xt, 1)[0], whole(xt, 1)[0]
    zw = np.full(count, 128 if wt == np.uint8 else 0 if per else rng.integers(-5, 6), wt)
    b = rng.integers(-3000, 3000, o).astype(np.int32)
    scalar = lambda v: np.array(v)
    inputs = dict(x=x, sx=scalar(sx), zx=scalar(zx), w=w, sw=sw if per else scalar(sw[0]), zw=zw if per else scalar(zw[0]),
                  sy=scalar(sy), zy=scalar(zy), b=b)
    node = h.make_node("QLinearConv", list(inputs), ["y"], kernel_shape=[k, k], pads=[p] * 4, group=g, strides=[s, s])
    record(f"conv {i}", dict(x=x, w=w, sw=sw, b=b, y=run(node, inputs)), op="conv", groups=g, stride=s, padding=p,
           sx=float(sx), sy=float(sy), zx=int(zx), zy=int(zy), zw=zw.tolist())
for i in range(16):
    xt = [np.uint8, np.int8][i % 2]
    op = ["globalAverage", "average", "average", "max"][i % 4]
    x = whole(xt, 2, [3, 16, 20][i % 3], 9, [8, 20][i // 4 % 2])
    sx = f32(rng.random() * .05 + .001)
    sy = f32(sx * (.3 + rng.random()))
    zx, zy = whole(xt, 1)[0], whole(xt, 1)[0]
    k, s, p, count = 2 + i // 2 % 2, 1 + i % 2, i // 2 % 2, i // 4 % 2
    quantized = dict(x=x, sx=np.array(sx), zx=np.array(zx), sy=np.array(sy), zy=np.array(zy))
    window = dict(kernel_shape=[k, k], strides=[s, s], pads=[p] * 4)
    if op == "globalAverage":
        y = run(h.make_node("QLinearGlobalAveragePool", list(quantized), ["y"], domain="com.microsoft", channels_last=0), quantized)
    elif op == "average":
        y = run(h.make_node("QLinearAveragePool", list(quantized), ["y"], domain="com.microsoft", channels_last=0,
                            count_include_pad=count, **window), quantized)
    else:
        y = run(h.make_node("MaxPool", ["x"], ["y"], **window), dict(x=x))
    record(f"pool {i}", dict(x=x, y=y), op=op, kernel=k, stride=s, padding=p, countPadding=bool(count), sx=float(sx), sy=float(sy),
           zx=int(zx), zy=int(zy))
save("ort-integers", cases, tensors)
