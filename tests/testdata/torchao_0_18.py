"""Records what torchao 0.18 answers on random inputs: `python torchao_0_18.py torchao-0.18` writes
torchao-0.18.json and torchao-0.18.safetensors. Needs torch and torchao; the tests need neither."""
import json, struct, sys, warnings
warnings.filterwarnings("ignore")
import torch, torchao

NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int32: "I32", torch.int8: "I8",
         torch.uint8: "U8"}


def save_file(tensors, path):
    header, data = {}, b""
    for key, t in tensors.items():
        raw = t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b""
        header[key] = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


from torchao.quantization.granularity import *
from torchao.quantization.utils import get_block_size
import torchao.quantization.quant_primitives as P
from torchao.quantization.quant_primitives import MappingType, ZeroPointDomain
from torchao.quantization.observer import AffineQuantizedMinMaxObserver
from torchao.quantization.quantize_.workflows.int8.int8_tensor import Int8Tensor
assert torchao.__version__.startswith("0.18")
out = sys.argv[1]
g = torch.Generator().manual_seed(18)
T, cases = {}, []
name = lambda d: str(d).replace("torch.", "")
SUB = {"uint4": torch.uint4, "uint2": torch.uint2}
def put(case, **tensors):
    for k, t in tensors.items():
        if t is not None: T[f"{case}.{k}"] = t.contiguous().clone()
def gran(x):
    kind = type(x).__name__
    return {"type": kind, **({"axis": x.axis} if kind == "PerAxis" else {"groupSize": x.group_size} if kind == "PerGroup" else {"dim": x.dim} if kind == "PerRow" else {"size": list(x.block_size)} if kind == "PerBlock" else {})}
def inputs(shape, dtype, kind):
    x = torch.randn(shape, generator=g)
    if kind == "shifted": x = x * .1 + 5
    if kind == "negative": x = -x.abs() - .5
    if kind == "zero": x = x * 0
    return (x * 3).to(dtype)
kinds = ["normal", "shifted", "negative", "zero"]
dtypes = [torch.float32, torch.bfloat16, torch.float16]
grans = [PerTensor(), PerAxis(0), PerRow(), PerRow(0), PerGroup(8), PerBlock((2, 4)), PerBlock((4,)), PerRow(1)]
n = 0
# Domains of zero points, in the primitives.
for dtype in dtypes:
  for kind in kinds:
    for target, ref in [("uint4", torch.uint4), ("uint8", torch.uint8), ("int8", torch.int8)]:
      for domain in ["FLOAT", "NONE", "KEEP"]:
        gr = grans[n % 5]
        shape = (4, 16)
        x = inputs(shape, dtype, kind)
        block = get_block_size(x.shape, gr)
        c = f"d{n}"; n += 1
        if domain == "FLOAT":
            s, z = P._choose_qparams_affine_tinygemm(x, MappingType.ASYMMETRIC, block, ref)
            q = P._quantize_affine_tinygemm(x, block, s, z, ref)
            dq = P._dequantize_affine_tinygemm(q, block, s, z, ref, output_dtype=dtype)
        elif domain == "KEEP":
            s, z = P._choose_qparams_affine_dont_preserve_zero(x, MappingType.ASYMMETRIC, block, ref)
            q = P.quantize_affine(x, block, s, z, ref)
            dq = P.dequantize_affine(q, block, s, z, ref, output_dtype=dtype)
        else:
            s, _ = P.choose_qparams_affine(x, MappingType.SYMMETRIC, block, ref); z = None
            q = P._quantize_affine_no_zero_point(x, block, s, None, ref)
            dq = P._dequantize_affine_no_zero_point(q, block, s, None, ref, output_dtype=dtype)
        put(c, x=x, scale=s, zero_point=z, q=q, dq=dq)
        cases.append(dict(name=c, what="domain", domain=domain, granularity=gran(gr), targetDtype=target, inputDtype=name(dtype), blockSize=list(block)))
# Defaults of observers and of known ranges: dtypes, shapes with keepdim, no negative zeros.
n = 0
for dtype in dtypes:
  for mapping in MappingType:
    for gr, shape in [(PerTensor(), (4, 16)), (PerGroup(8), (4, 3, 24)), (PerRow(0), (6, 4)), (PerBlock((2, 4)), (3, 4, 8)), (PerAxis(1), (2, 5, 3))]:
      for keepdim in [False, True]:
        for lo, hi in [(None, None), (-5, 3)]:
          c = f"o{n}"; n += 1
          o = AffineQuantizedMinMaxObserver(mapping, torch.int8, gr, quant_min=lo, quant_max=hi, keepdim=keepdim)
          xs = [inputs(shape, dtype, kinds[(n + i) % 3]) for i in range(2)]
          for x in xs: o(x)
          s, z = o.calculate_qparams()
          put(c, x0=xs[0], x1=xs[1], scale=s, zero_point=z)
          cases.append(dict(name=c, what="observer", mappingType=mapping.name, granularity=gran(gr), keepdim=keepdim, quantMin=lo, quantMax=hi))
# Weights of the int8 configs, as version 2 quantizes them.
n = 0
for dtype in dtypes:
  for kind in ["normal", "shifted", "negative", "zero"]:
    for gr in [PerRow(), PerGroup(16)]:
      c = f"w{n}"; n += 1
      w = inputs((6, 64), dtype, kind) * .03
      q = Int8Tensor.from_hp(w, gr)
      put(c, w=w, scale=q.scale.reshape(-1), q=q.qdata)
      cases.append(dict(name=c, what="weight", granularity=gran(gr), inputDtype=name(dtype)))
# Dynamic inputs, a scale a row.
n = 0
for dtype in dtypes:
  for kind in ["normal", "shifted", "negative", "zero"]:
    c = f"a{n}"; n += 1
    x = inputs((5, 48), dtype, kind)
    q = Int8Tensor.from_hp(x, PerRow(), mapping_type=MappingType.SYMMETRIC)
    put(c, x=x, scale=q.scale.reshape(-1), q=q.qdata)
    cases.append(dict(name=c, what="activation", inputDtype=name(dtype)))
save_file(T, out + ".safetensors")
json.dump({"reference": f"torchao {torchao.__version__}, torch {torch.__version__}", "cases": cases}, open(out + ".json", "w"), indent=1)
print(len(cases))
