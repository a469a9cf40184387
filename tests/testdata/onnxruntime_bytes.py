"""Records what onnxruntime's CPU kernels answer for operations on bytes: `python onnxruntime_bytes.py` writes
onnxruntime-bytes.json and .safetensors beside this file, and `python onnxruntime_bytes.py FOLDER TIMES` more of
them elsewhere. Needs onnx and onnxruntime on a CPU with AVX2; the tests do not."""
import json, os, struct, sys
import numpy as np
import onnxruntime
from onnx import helper

here = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
times = int(sys.argv[2]) if len(sys.argv) > 2 else 1
rng = np.random.default_rng(5)
f32 = np.float32
NAMES = {"float32": "F32", "float16": "F16", "int32": "I32", "int8": "I8", "uint8": "U8"}
cases, tensors = [], {}


def run(op, inputs, outputs=1, **attributes):
    inputs = [np.asarray(value) for value in inputs]
    info = [helper.make_tensor_value_info(f"x{i}", helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for i, v in enumerate(inputs)]
    ms = op in ("QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearSigmoid", "QLinearLeakyRelu", "QGemm",
                "QLinearSoftmax")
    names = [f"y{i}" for i in range(outputs)]
    node = helper.make_node(op, [f"x{i}" for i in range(len(inputs))], names,
                            domain="com.microsoft" if ms else "", **attributes)
    graph = helper.make_graph([node], "g", info, [helper.make_empty_tensor_value_info(n) for n in names])
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, {f"x{i}": v for i, v in enumerate(inputs)})


def record(op, y, **facts):
    name = f"{op} {len(cases)}"
    case = {"name": name, "op": op}
    for key, value in {**facts, "result": y}.items():
        if isinstance(value, np.ndarray) and value.ndim:
            tensors[f"{name}.{key}"] = value
        else:
            case[key] = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
    cases.append(case)


def scale(simple=False):
    return f32(0.02 * rng.integers(1, 9)) if simple else f32(np.exp(rng.uniform(-5, 0)))


def zero_point(dtype):
    i = np.iinfo(dtype)
    return np.array(rng.choice([i.min, i.max, rng.integers(i.min, i.max + 1)]), dtype)


def bytes_of(shape, dtype):
    i = np.iinfo(dtype)
    return rng.integers(i.min, i.max + 1, shape).astype(dtype)


BYTES = (np.uint8, np.int8)


def quantizing():
    for dtype in BYTES:
        for float_dtype in (np.float32, np.float16):
            for simple in (False, True):
                s, z = float_dtype(scale(simple)), zero_point(dtype)
                shape = (2, 5, 7, 3)
                x = (rng.integers(-300, 300, shape) / 2 * np.float64(s)).astype(float_dtype)
                noise = (rng.normal(size=shape) * 60 * np.float64(s)).astype(float_dtype)
                x = np.where(rng.random(shape) < 0.5, x, noise)
                x.reshape(-1)[:5] = [np.nan, np.inf, -np.inf, -0.0, 6e-8]
                record("quantize", run("QuantizeLinear", [x, s, z])[0], x=x, scale=s, zeroPoint=z)
                q = bytes_of(shape, dtype)
                record("dequantize", run("DequantizeLinear", [q, s, z])[0], x=q, scale=s, zeroPoint=z)
        axis = int(rng.integers(0, 4))
        ss = np.array([scale() for _ in range(shape[axis])])
        zs = np.array([zero_point(dtype) for _ in range(shape[axis])])
        x = (rng.normal(size=shape) * 20).astype(f32)
        record("quantize", run("QuantizeLinear", [x, ss, zs], axis=axis)[0], x=x, scale=ss, zeroPoint=zs, axis=axis)
        q = bytes_of(shape, dtype)
        record("dequantize", run("DequantizeLinear", [q, ss, zs], axis=axis)[0], x=q, scale=ss, zeroPoint=zs,
               axis=axis)
    for s in (f32(1e-40), f32(1.2e-38), f32(3e38)):
        x = np.array([1e-40, 1e-39, 3e38, 1e38, -1e-40, 1e-37, 0, 1, 1.5e38, 2.5e-40, 2e38], f32)
        z = np.array(3, np.int8)
        record("quantize", run("QuantizeLinear", [x, s, z])[0], x=x, scale=s, zeroPoint=z)
    q = rng.integers(-2**31, 2**31, 50).astype(np.int32)
    s = scale()
    record("dequantize", run("DequantizeLinear", [q, s])[0], x=q, scale=s)


SHAPES = [((2, 3, 5, 7), (2, 3, 5, 7)), ((2, 20, 3, 5), (2, 20, 3, 5)), ((300,), (1,)), ((1,), (300,)), ((4, 60), (4, 1)),
          ((4, 1), (4, 60)), ((9, 33), (33,)), ((33,), (9, 33)), ((1, 6, 1, 1), (2, 6, 3, 5)),
          ((2, 6, 3, 5), (1, 6, 1, 1)), ((2, 16, 1, 1), (1, 16, 3, 5)), ((6, 1, 1), (6, 7, 5)), ((20, 1), (1, 30)),
          ((3, 0), (3, 1)), ((), ()), ((1, 1), (1, 1))]


def arithmetic():
    for n, (a, b) in enumerate(SHAPES):
        for op in ("Add", "Mul"):
            for dtype in BYTES:
                simple = bool((n + (dtype is np.int8)) % 2)
                p = [(scale(simple), zero_point(dtype)) for _ in range(3)]
                x, w = bytes_of(a, dtype), bytes_of(b, dtype)
                inputs = [x, *p[0], w, *p[1], *p[2]]
                record(op.lower(), np.atleast_1d(run(f"QLinear{op}", inputs)[0]), a=np.atleast_1d(x), b=np.atleast_1d(w),
                       shapes=[list(a), list(b)], params=[[float(s), int(z)] for s, z in p])


def tables():
    for dtype in BYTES:
        everything = np.arange(256, dtype=np.uint8).view(dtype)
        for op in ("Sigmoid", "LeakyRelu"):
            sx, zx, sy, zy = scale(), zero_point(dtype), scale() * f32(0.05 if op == "Sigmoid" else 1), zero_point(dtype)
            attributes = {"alpha": 0.1} if op == "LeakyRelu" else {}
            y = run(f"QLinear{op}", [everything, sx, zx, sy, zy], **attributes)[0]
            record(op.lower(), y, x=everything, params=[[float(sx), int(zx)], [float(sy), int(zy)]])
        for axis, shapes in ((1, [(2, 3, 5, 7), (2, 20, 5, 7), (2, 1, 5, 7)]), (0, [(3, 4), (1, 4), (2, 4)]),
                             (2, [(2, 16, 3, 1), (2, 16, 2, 1)])):
            p = [(scale(), zero_point(dtype)) for _ in shapes]
            out = p[0] if axis == 0 else (scale(), zero_point(dtype))
            xs = [bytes_of(shape, dtype) for shape in shapes]
            inputs = [*out] + [value for x, q in zip(xs, p) for value in (x, *q)]
            record("concat", run("QLinearConcat", inputs, axis=axis)[0], axis=axis,
                   params=[[float(s), int(z)] for s, z in [*p, out]], **{f"x{i}": x for i, x in enumerate(xs)})


def scale_for(sums, both):
    """One that results fill their range with, and some leave it."""
    return f32(np.abs(sums).mean() * float(np.mean(both)) / 60 + 1e-6)


def products():
    sizes = [((5, 7), (7, 6)), ((2, 9, 33), (2, 33, 10)), ((1, 40), (40, 3)), ((2, 3, 4, 16), (3, 16, 5)),
             ((1, 3, 17), (4, 17, 9)), ((70, 20), (20, 33))]
    for n, (left, right) in enumerate(sizes):
        for da, db in ((np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)):
            a, b = bytes_of(left, da), bytes_of(right, db)
            sa, za, sy, zy = scale(), zero_point(da), scale(), zero_point(da)
            columns = right[-1] if len(right) == 2 and n % 2 == 0 else 1
            sb = np.array([scale() for _ in range(columns)])
            zb = np.array([zero_point(db) for _ in range(columns)])
            exact = (a.astype(np.int64) - za) @ (b.astype(np.int64) - zb)
            sy = scale_for(exact, sa * sb)
            one = lambda v: v if columns > 1 else v[0]
            y = run("QLinearMatMul", [a, sa, za, b, one(sb), one(zb), sy, zy])[0]
            facts = dict(a=a, b=b, params=[[float(sa), int(za)], None, [float(sy), int(zy)]], bScale=sb, bZeroPoint=zb)
            record("matmul", y, **facts)
            if (da, columns) == (np.uint8, 1):
                record("matmul integer", run("MatMulInteger", [a, b, za, zb[0]])[0], **facts)
            if len(left) > 2:
                continue
            c = rng.integers(-20000, 20000, right[-1]).astype(np.int32)
            sy = scale_for(exact + c, sa * sb)
            facts |= dict(params=[[float(sa), int(za)], None, [float(sy), int(zy)]], bias=c)
            flipped = np.ascontiguousarray(b.T) if n % 4 == 0 else b
            inputs = [a, sa, za, flipped, one(sb), one(zb), c]
            transposed = dict(transB=int(n % 4 == 0))
            facts |= dict(b=flipped, transposeB=bool(n % 4 == 0))
            record("gemm", run("QGemm", [*inputs, sy, zy], **transposed)[0], **facts)
            record("gemm", run("QGemm", inputs, **transposed)[0], **facts)


def dynamic():
    for n in range(8):
        x = (rng.normal(size=(3, 5, 7)) * np.exp(rng.uniform(-5, 5)) + (n % 3 - 1) * 3).astype(f32)
        x = [x, np.abs(x), -np.abs(x), x * f32(0), x * f32(1e-36), x, x, x][n]
        y, s, z = run("DynamicQuantizeLinear", [x], 3)
        record("dynamic", y, x=x, scale=s, zeroPoint=z)


def save():
    header, data = {}, b""
    for key, value in tensors.items():
        raw = np.ascontiguousarray(value).tobytes()
        header[key] = {"dtype": NAMES[value.dtype.name], "shape": list(value.shape),
                       "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = os.path.join(here, "onnxruntime-bytes")
    open(path + ".safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data)
    json.dump({"onnxruntime": onnxruntime.__version__, "cases": cases}, open(path + ".json", "w"), indent=1)


for _ in range(times):
    quantizing()
    arithmetic()
    tables()
    products()
    dynamic()
save()
