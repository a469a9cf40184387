"""Records what torchao 0.18's configs of today make of random layers: `python torchao_configs.py int8` writes
torchao-configs.json and .safetensors, `python torchao_configs.py float8` torchao-float8.json and .safetensors.
Needs torch and torchao; the tests need neither.

Products of float8 need a GPU (`torch._scaled_mm`), so these are computed as that is defined: numbers of float8 in
float32, times both scales, plus the bias, rounded to the layer's dtype. All quantized numbers are torchao's own."""
import json, struct, sys, warnings
warnings.filterwarnings("ignore")
import torch, torchao
from torchao.quantization import Int8StaticActivationInt8WeightConfig, Int8DynamicActivationInt8WeightConfig
from torchao.quantization import Float8StaticActivationFloat8WeightConfig, quantize_
from torchao.quantization.granularity import *
from torchao.quantization.observer import AffineQuantizedMinMaxObserver
from torchao.quantization.quant_primitives import MappingType
import torchao.quantization.quant_primitives as P
from torchao.quantization.quantize_.workflows.int8.int8_tensor import Int8Tensor
from torchao.quantization.quantize_.workflows.float8.float8_tensor import Float8Tensor
from torchao.prototype.smoothquant import SmoothQuantConfig
from torchao.prototype.quantization.quant_api import Float8ObservedLinear
from torchao.prototype.quantization.float8_static_quant.prototype_float8_tensor import PrototypeFloat8Tensor
from torchao.quantization.utils import get_block_size
assert torchao.__version__.startswith("0.18")

NAMES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int32: "I32", torch.int8: "I8",
         torch.uint8: "U8", torch.float8_e4m3fn: "F8_E4M3", torch.float8_e5m2: "F8_E5M2"}
DTYPES = [torch.float32, torch.bfloat16, torch.float16]
KINDS = ["normal", "shifted", "negative", "zero"]
generator = torch.Generator().manual_seed(1814)
tensors, cases = {}, []


def save_file(tensors, path):
    header, data = {}, b""
    for key, t in tensors.items():
        raw = t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if t.numel() else b""
        header[key] = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)


def name(value):
    return str(value).replace("torch.", "")


def record(case, facts, **parts):
    for key, t in parts.items():
        if t is not None:
            tensors[f"{case}.{key}"] = t.detach().contiguous().clone()
    cases.append(dict(name=case, **facts))


def granularity(g):
    kind = type(g).__name__
    return {"type": kind, **({"groupSize": g.group_size} if kind == "PerGroup" else {"size": list(g.block_size)} if kind == "PerBlock" else {})}


def inputs(shape, dtype, kind="normal"):
    x = torch.randn(shape, generator=generator)
    if kind == "shifted": x = x * .1 + 5
    if kind == "negative": x = -x.abs() - .5
    if kind == "zero": x = x * 0
    return (x * 3).to(dtype)


def linear(k, n, dtype, bias=True):
    layer = torch.nn.Linear(k, n, bias=bias, dtype=dtype)
    with torch.no_grad():
        layer.weight.copy_(inputs((n, k), dtype) * .05)
        if bias: layer.bias.copy_(inputs((n,), dtype) * .1)
    return layer


def static_int8():
    """Scales found by an observer over two batches, or by the rows of one."""
    count = 0
    for dtype in DTYPES:
        for mapping in [MappingType.SYMMETRIC, MappingType.ASYMMETRIC]:
            for reduce_range in [False, True]:
                for act, weight in [(PerTensor(), PerTensor()), (PerTensor(), PerRow()), (PerRow(), PerRow()), (PerRow(), PerTensor())]:
                    layer = linear(20, 6, dtype, bias=count % 2 == 0)
                    case, kind = f"s{count}", KINDS[count % 3]
                    count += 1
                    before = layer.weight.detach().clone()
                    x0, x1 = inputs((3, 20), dtype, kind), inputs((3, 20), dtype, kind)
                    low, high = (-64, 63) if reduce_range else (-128, 127)
                    if isinstance(act, PerTensor):
                        o = AffineQuantizedMinMaxObserver(mapping, torch.int8, act, low, high, torch.finfo(torch.float32).eps, torch.float32, torch.int8, keepdim=True)
                        o(x0), o(x1)
                        scale, zero_point = o.calculate_qparams()
                    else:
                        q = Int8Tensor.from_hp(x1, act, mapping, reduce_range=reduce_range)
                        scale, zero_point = q.scale, q.zero_point
                    config = Int8StaticActivationInt8WeightConfig(
                        act_quant_scale=scale, act_quant_zero_point=zero_point if mapping == MappingType.ASYMMETRIC else None,
                        granularity=[act, weight], act_mapping_type=mapping, reduce_range=reduce_range, set_inductor_config=False)
                    model = torch.nn.Sequential(layer)
                    quantize_(model, config)
                    w = model[0].weight
                    q = Int8Tensor.from_hp(x1, act, mapping, scale, w.act_quant_zero_point, reduce_range=reduce_range)
                    record(case, dict(what="static", granularity=[granularity(act), granularity(weight)], actMappingType=mapping.name,
                                      reduceRange=reduce_range, inputDtype=name(dtype)),
                           x0=x0, x1=x1, w=before, bias=layer.bias, scale=scale, zero_point=zero_point if mapping == MappingType.ASYMMETRIC else None,
                           weight_scale=w.scale, weight_q=w.qdata, input_q=q.qdata, y=model(x1))


def smooth():
    """SmoothQuant's steps over two batches with outliers in a few channels."""
    count = 0
    for dtype in DTYPES:
        for alpha in [.5, .75, None]:
            for base in ["dynamic", "static", "asymmetric"]:
                layer = linear(20, 6, dtype)
                x0, x1 = inputs((3, 20), dtype), inputs((2, 20), dtype)
                for x in [x0, x1]: x[:, ::7] *= 30
                before = layer.weight.detach().clone()
                def config(step):
                    b = Int8DynamicActivationInt8WeightConfig(set_inductor_config=False) if base == "dynamic" else Int8StaticActivationInt8WeightConfig(
                        granularity=[PerTensor(), PerRow()], set_inductor_config=False,
                        act_mapping_type=MappingType.ASYMMETRIC if base == "asymmetric" else MappingType.SYMMETRIC)
                    return SmoothQuantConfig(base_config=b, step=step, alpha=alpha)
                model = torch.nn.Sequential(layer)
                quantize_(model, config("prepare"))
                model(x0), model(x1)
                quantize_(model, config("convert"))
                w = model[0].weight
                record(f"q{count}", dict(what="smooth", alpha=alpha, base=base, inputDtype=name(dtype)),
                       x0=x0, x1=x1, w=before, bias=layer.bias, pre_scale=w.act_pre_scale, weight_scale=w.scale, weight_q=w.qdata,
                       scale=w.act_quant_scale, zero_point=w.act_quant_zero_point if base == "asymmetric" else None, y=model(x1))
                count += 1


def domains():
    """Domains of zero points with ranges and dtypes of one's own."""
    count = 0
    for dtype in DTYPES:
        for kind in KINDS:
            for low, high in [(-5, 3), (0, 15)]:
                for domain in ["FLOAT", "NONE", "KEEP", "INT"]:
                    x = inputs((3, 8), dtype, kind)
                    block, target = (1, 8), torch.int8
                    own = dict(quant_min=low, quant_max=high, eps=1e-4, scale_dtype=torch.float32)
                    limits = (low, high)
                    if domain == "FLOAT":
                        s, z = P._choose_qparams_affine_tinygemm(x, MappingType.ASYMMETRIC, block, target, zero_point_dtype=torch.float32, **own)
                        q = P._quantize_affine_tinygemm(x, block, s, z, target, *limits)
                        dq = P._dequantize_affine_tinygemm(q, block, s, z, target, *limits, output_dtype=dtype)
                    elif domain == "NONE":
                        s, _ = P.choose_qparams_affine(x, MappingType.SYMMETRIC, block, target, **own); z = None
                        q = P._quantize_affine_no_zero_point(x, block, s, None, target, *limits)
                        dq = P._dequantize_affine_no_zero_point(q, block, s, None, target, *limits, output_dtype=dtype)
                    else:
                        choose = P._choose_qparams_affine_dont_preserve_zero if domain == "KEEP" else P.choose_qparams_affine
                        s, z = choose(x, MappingType.ASYMMETRIC, block, target, zero_point_dtype=torch.int8, **own)
                        q = P.quantize_affine(x, block, s, z, target, *limits)
                        dq = P.dequantize_affine(q, block, s, z, target, *limits, output_dtype=dtype)
                    record(f"d{count}", dict(what="domain", domain=domain, quantMin=low, quantMax=high, inputDtype=name(dtype)),
                           x=x, scale=s, zero_point=z, q=q, dq=dq)
                    count += 1


def dynamic_int8():
    """Inputs quantized as they come, with one scale or one a row, with zero points or without."""
    count = 0
    for dtype in DTYPES:
        for mapping in [MappingType.SYMMETRIC, MappingType.ASYMMETRIC]:
            for act, weight in [(PerTensor(), PerTensor()), (PerTensor(), PerRow()), (PerRow(), PerRow()), (PerRow(), PerTensor())]:
                reduce_range = count % 3 == 1
                layer = linear(20, 6, dtype, bias=count % 2 == 0)
                before = layer.weight.detach().clone()
                x = inputs((3, 20), dtype, KINDS[count % 4])
                model = torch.nn.Sequential(layer)
                quantize_(model, Int8DynamicActivationInt8WeightConfig(granularity=[act, weight], act_mapping_type=mapping, reduce_range=reduce_range, set_inductor_config=False))
                w = model[0].weight
                q = Int8Tensor.from_hp(x, act, mapping, reduce_range=reduce_range)
                record(f"y{count}", dict(what="dynamic", granularity=[granularity(act), granularity(weight)], actMappingType=mapping.name,
                                         reduceRange=reduce_range, inputDtype=name(dtype)),
                       x1=x, w=before, bias=layer.bias, scale=q.scale, zero_point=q.zero_point if mapping == MappingType.ASYMMETRIC else None,
                       weight_scale=w.scale, weight_q=w.qdata, input_q=q.qdata, y=model(x))
                count += 1


def float8_numbers():
    """Scales, bytes and what they stand for, of weights and of inputs quantized as they come."""
    count = 0
    for dtype in DTYPES:
        for target in [torch.float8_e4m3fn, torch.float8_e5m2]:
            for kind in KINDS[:3] + ["wide"]:
                for g in [PerTensor(), PerRow(), PerGroup(16), PerBlock((2, 16))]:
                    x = inputs((2, 48), dtype, kind)
                    if kind == "wide": x = (x.float() * torch.exp2(torch.randint(-18, 4, x.shape, generator=generator).float())).to(dtype)
                    for lb, ub in [(None, None), (2., 4.)] if count % 4 == 1 else [(None, None)]:
                        q = Float8Tensor.from_hp(x, target, g, hp_value_lb=lb, hp_value_ub=ub)
                        record(f"f{count}", dict(what="numbers", targetDtype=name(target), granularity=granularity(g), valueLb=lb, valueUb=ub, inputDtype=name(dtype)),
                               x=x, scale=q.scale, q=q.qdata, dq=q.dequantize())
                        count += 1
    # Every quotient that lies halfway between two numbers, and those beside it.
    for target in [torch.float8_e4m3fn, torch.float8_e5m2]:
        all_numbers = torch.arange(256, dtype=torch.uint8).view(target).float()
        finite = all_numbers[all_numbers.isfinite()].unique()
        halves = (finite[1:] + finite[:-1]) / 2
        for step, s in enumerate([1., .3, 7e-3]):
            scale = torch.tensor([[s]])
            x = halves * scale[0]
            x = torch.stack([torch.nextafter(x, x * 0 - torch.inf), x, torch.nextafter(x, x * 0 + torch.inf)])
            record(f"h{name(target)[-4:]}{step}", dict(what="ties", targetDtype=name(target)), x=x, scale=scale, q=P._quantize_affine_float8(x, scale, target))


def float8_layers():
    """Layers whose weights and inputs are float8: torchao's numbers, and the product by its definition."""
    count = 0
    for dtype in DTYPES:
        for how, g in [("dynamic", PerTensor()), ("dynamic", PerRow()), ("static", PerTensor()), ("weight", PerRow()), ("weight", PerTensor()), ("weight", PerGroup(16))]:
            for act, target in [(torch.float8_e4m3fn, torch.float8_e4m3fn), (torch.float8_e5m2, torch.float8_e4m3fn)]:
                layer = linear(48, 16, dtype, bias=count % 2 == 0)
                x0, x1 = inputs((3, 48), dtype, KINDS[count % 3]), inputs((3, 48), dtype, KINDS[count % 3])
                before, bias = layer.weight.detach().clone(), layer.bias
                scale = xq = None
                if how == "static":
                    model = torch.nn.Sequential(layer)
                    config = lambda step: Float8StaticActivationFloat8WeightConfig(step=step, activation_dtype=act, weight_dtype=target, set_inductor_config=False)
                    quantize_(model, config("prepare"))
                    assert isinstance(model[0], Float8ObservedLinear)
                    model(x0), model(x1)
                    quantize_(model, config("convert"))
                    w = model[0].weight
                    scale = w.act_quant_scale
                    xq = PrototypeFloat8Tensor.from_hp(x1, act, g, scale=scale)
                else:
                    w = Float8Tensor.from_hp(before, target, g)
                    if how == "dynamic": xq = Float8Tensor.from_hp(x1, act, g)
                if xq is None:
                    y = torch.matmul(x1, w.dequantize().t())
                    if bias is not None: y = y + bias
                else:
                    y = xq.qdata.float() @ w.qdata.float().t() * xq.scale * w.scale.reshape(1, -1)
                    y = (y + bias.float() if bias is not None else y).to(dtype)
                record(f"l{count}", dict(what="layer", how=how, granularity=granularity(g), activationDtype=name(act), weightDtype=name(target), inputDtype=name(dtype)),
                       x0=x0, x1=x1, w=before, bias=bias, scale=scale, weight_scale=w.scale, weight_q=w.qdata,
                       input_scale=None if xq is None else xq.scale, input_q=None if xq is None else xq.qdata, y=y)
                count += 1


part = sys.argv[1]
for write in [static_int8, smooth, domains, dynamic_int8] if part == "int8" else [float8_numbers, float8_layers]: write()
out = "torchao-configs" if part == "int8" else "torchao-float8"
save_file(tensors, out + ".safetensors")
json.dump({"reference": f"torchao {torchao.__version__}, torch {torch.__version__}", "cases": cases}, open(out + ".json", "w"), indent=1)
print(len(cases))
