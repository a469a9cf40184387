"""Records what PyTorch answers for products of matrices, convolutions and pooling: `python torch_products.py`
writes torch-products, torch-convolutions and torch-pools, .json and .safetensors, beside this file. Needs
torch; the tests do not."""
import json, os, struct
import torch
import torch.nn.functional as F

NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int32: "I32",
         torch.int8: "I8", torch.uint8: "U8"}
here = os.path.dirname(os.path.abspath(__file__))
g = torch.Generator().manual_seed(11)


def save(name, cases, tensors):
    header, data = {}, b""
    for key, t in tensors.items():
        raw = t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b""
        header[key] = {"dtype": NAMES[t.dtype], "shape": list(t.shape),
                       "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = os.path.join(here, name)
    open(path + ".safetensors", "wb").write(struct.pack("<Q", len(text)) + text + data)
    json.dump({"torch": torch.__version__, "cases": cases}, open(path + ".json", "w"), indent=1)


def random(shape, dtype=torch.float32):
    return torch.randn(shape, generator=g).to(dtype)


def products():
    cases, T = [], {}
    shapes = [([3, 5], [5, 4]), ([5], [5]), ([5], [5, 3]), ([4, 5], [5]), ([2, 3, 5], [5, 4]),
              ([2, 3, 8], [2, 8, 6]), ([2, 1, 3, 7], [4, 7, 5]), ([3, 7], [2, 4, 7, 5]),
              ([6], [2, 6, 3]), ([2, 5, 6], [6]), ([2, 1, 4, 12], [1, 3, 12, 9]), ([1, 40, 17], [2, 17, 33]),
              ([3, 2, 2, 1, 5], [2, 1, 5, 2]), ([2, 0, 4], [2, 4, 3]), ([2, 3, 0], [2, 0, 4])]
    for i, (a, b) in enumerate(shapes):
        for dtype in [torch.float32] + ([torch.float16, torch.bfloat16] if i in (4, 5, 11) else []):
            name = f"matmul {a} {b} {str(dtype)[6:]}"
            x, w = random(a, dtype), random(b, dtype)
            # float16 on the CPU may sum in float16; the sum in float32, rounded once, is what is meant.
            y = torch.matmul(x.float(), w.float()).to(dtype)
            T |= {f"{name}.a": x, f"{name}.b": w, f"{name}.y": y}
            cases.append({"name": name})
    save("torch-products", cases, T)


def convolutions():
    cases, T = [], {}
    # Shape of x, of the weight, options.
    plain = [
        ([1, 3, 7, 8], [4, 3, 3, 3], {}), ([2, 4, 9, 7], [8, 4, 3, 3], dict(stride=2, padding=1)),
        ([1, 1, 8, 8], [5, 1, 5, 5], dict(padding=2)), ([1, 8, 6, 5], [16, 8, 1, 1], {}),
        ([2, 5, 5, 5], [7, 5, 1, 1], {}), ([1, 8, 7, 7], [6, 8, 1, 1], dict(stride=2)),
        ([1, 6, 9, 9], [6, 2, 3, 3], dict(groups=3, padding=1)), ([1, 8, 6, 6], [12, 4, 3, 3], dict(groups=2)),
        ([1, 8, 10, 9], [8, 1, 3, 3], dict(groups=8, padding=1)),
        ([2, 5, 9, 8], [5, 1, 3, 3], dict(groups=5, stride=2, padding=1)),
        ([1, 6, 8, 8], [6, 1, 5, 5], dict(groups=6, padding=2, dilation=1)),
        ([1, 4, 9, 9], [4, 1, 3, 3], dict(groups=4, dilation=2, stride=(2, 1), padding=(2, 3))),
        ([1, 4, 6, 6], [8, 1, 3, 3], dict(groups=4)), ([1, 3, 12, 11], [4, 3, 3, 3], dict(dilation=3)),
        ([1, 3, 9, 10], [5, 3, 2, 4], dict(stride=(3, 2), padding=(1, 2), dilation=(2, 1))),
        ([1, 2, 6, 7], [3, 2, 4, 3], dict(padding="same")), ([1, 2, 6, 7], [3, 2, 4, 3], dict(padding="valid")),
        ([1, 2, 9, 8], [3, 2, 2, 3], dict(padding="same", dilation=2)), ([1, 3, 19, 20], [8, 3, 7, 7], dict(stride=2, padding=3)),
        ([1, 40, 4, 4], [33, 40, 3, 3], dict(padding=1)), ([1, 32, 2, 2], [16, 32, 2, 2], {}),
        ([3, 7, 5], [4, 3, 3, 3], {}),
        ([2, 3, 11], [4, 3, 3], dict(padding=1)), ([1, 4, 12], [4, 1, 5], dict(groups=4, stride=2, padding=2)),
        ([2, 3, 20], [5, 3, 4], dict(stride=3, dilation=2)), ([3, 9], [2, 3, 3], {}),
        ([1, 2, 5, 6, 4], [3, 2, 3, 2, 2], dict(padding=(1, 0, 1))), ([1, 4, 4, 4, 4], [4, 2, 2, 2, 2], dict(groups=2, stride=2)),
    ]
    turned = [
        ([1, 3, 4, 5], [3, 4, 3, 3], {}), ([2, 4, 4, 4], [4, 6, 2, 2], dict(stride=2)),
        ([1, 5, 4, 3], [5, 4, 3, 3], dict(stride=2, padding=1, output_padding=1)),
        ([1, 4, 5, 5], [4, 3, 4, 4], dict(stride=2, padding=1)), ([1, 4, 4, 4], [4, 2, 3, 3], dict(dilation=2)),
        ([1, 6, 4, 4], [6, 2, 3, 3], dict(groups=3, stride=2, padding=1)), ([1, 2, 3, 4], [2, 3, 1, 1], dict(stride=3)),
        ([1, 2, 4, 4], [2, 3, 3, 2], dict(stride=(3, 2), padding=(1, 0), output_padding=(2, 1), dilation=(1, 3))),
        ([1, 8, 5, 5], [8, 1, 3, 3], dict(groups=8, stride=2)), ([1, 2, 4, 4], [2, 2, 3, 3], dict(stride=4, dilation=2)),
        ([2, 3, 7], [3, 4, 4], dict(stride=2, padding=1)), ([3, 6], [3, 2, 3], dict(stride=3, output_padding=2)),
        ([1, 16, 6, 6], [16, 8, 4, 4], dict(stride=2, padding=1)),
    ]
    for transposed, list_ in ((False, plain), (True, turned)):
        for i, (xs, ws, options) in enumerate(list_):
            for dtype in [torch.float32] + ([torch.float16, torch.bfloat16] if i in (1, 6, 9) else []):
                name = f"{'turned' if transposed else 'plain'} {i} {str(dtype)[6:]}"
                rank = len(ws) - 2
                x, w = random(xs, dtype), random(ws, dtype)
                out = ws[1] * options.get("groups", 1) if transposed else ws[0]
                b = random([out], dtype) if i % 3 != 2 else None
                f = getattr(F, f"conv{'_transpose' if transposed else ''}{rank}d")
                y = f(x.float(), w.float(), b if b is None else b.float(), **options).to(dtype)
                T |= {f"{name}.x": x, f"{name}.w": w, f"{name}.y": y} | ({} if b is None else {f"{name}.b": b})
                opts = {{"output_padding": "outputPadding"}.get(k, k): v for k, v in options.items()}
                cases.append({"name": name, "rank": rank, "transposed": transposed, "options": opts})
    save("torch-convolutions", cases, T)


def pools():
    cases, T = [], {}
    list_ = [
        ("max_pool2d", [2, 3, 7, 8], dict(kernel_size=2)), ("max_pool2d", [1, 5, 9, 9], dict(kernel_size=3, stride=2, padding=1)),
        ("max_pool2d", [1, 4, 8, 7], dict(kernel_size=[3, 2], stride=[2, 1], dilation=[1, 2], padding=[1, 0])),
        ("max_pool2d", [1, 4, 8, 8], dict(kernel_size=3, stride=2, ceil_mode=True)),
        ("max_pool2d", [3, 6, 6], dict(kernel_size=2, stride=3, padding=1, ceil_mode=True)),
        ("avg_pool2d", [2, 3, 7, 8], dict(kernel_size=2)), ("avg_pool2d", [1, 6, 9, 9], dict(kernel_size=3, stride=2, padding=1)),
        ("avg_pool2d", [1, 4, 9, 8], dict(kernel_size=3, stride=2, padding=1, count_include_pad=False)),
        ("avg_pool2d", [1, 4, 8, 8], dict(kernel_size=3, stride=2, padding=1, ceil_mode=True)),
        ("avg_pool2d", [1, 4, 8, 7], dict(kernel_size=[2, 3], stride=[1, 2], divisor_override=5)),
        ("avg_pool2d", [1, 4, 7, 7], dict(kernel_size=3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)),
        ("adaptive_avg_pool2d", [2, 5, 7, 9], dict(output_size=1)), ("adaptive_avg_pool2d", [1, 4, 7, 9], dict(output_size=[3, 4])),
        ("adaptive_avg_pool2d", [1, 4, 6, 20], dict(output_size=[None, 1])), ("adaptive_max_pool2d", [1, 9, 7, 5], dict(output_size=[2, 3])),
        ("adaptive_max_pool2d", [2, 4, 20, 20], dict(output_size=1)), ("adaptive_avg_pool2d", [1, 3, 3, 2], dict(output_size=5)),
        ("max_pool1d", [2, 3, 9], dict(kernel_size=3, stride=2, padding=1)), ("avg_pool1d", [2, 3, 9], dict(kernel_size=4, stride=3, padding=2)),
        ("adaptive_avg_pool1d", [2, 3, 10], dict(output_size=4)), ("adaptive_max_pool1d", [3, 10], dict(output_size=3)),
        ("max_pool2d", [1, 2, 20, 20], dict(kernel_size=13, stride=3, padding=6)),
    ]
    camel = lambda s: "".join(p if i == 0 else p.title() for i, p in enumerate(s.split("_"))).replace("Pool1D", "Pool1d").replace("Pool2D", "Pool2d")
    for i, (f, shape, options) in enumerate(list_):
        for dtype in [torch.float32] + ([torch.float16, torch.bfloat16] if i in (1, 6, 14) else []):
            name = f"{i} {str(dtype)[6:]}"
            x = random(shape, dtype)
            size = options.get("kernel_size", options.get("output_size"))
            rest = {k: v for k, v in options.items() if k not in ("kernel_size", "output_size")}
            y = getattr(F, f)(x.float(), size, **rest).to(dtype)
            T |= {f"{name}.x": x, f"{name}.y": y}
            cases.append({"name": name, "call": camel(f), "size": size, "options": {camel(k): v for k, v in rest.items()}})
    save("torch-pools", cases, T)


if __name__ == "__main__":
    products()
    convolutions()
    pools()
