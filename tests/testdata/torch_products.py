"""Records what PyTorch answers for products of matrices: `python torch_products.py` writes
torch-products.json and torch-products.safetensors beside this file. Needs torch; the tests do not."""
import json, os, struct
import torch

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


products()
