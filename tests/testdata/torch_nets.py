"""Writes the small nets of `nets/`, each as PyTorch's two exporters write it: `python torch_nets.py`.

PyTorch 2.15, onnx 1.23. The weights are random; what the exporters note for people is taken out.
"""

import logging
import os
import warnings

import onnx
import torch
import torch.nn as nn
import torch.nn.functional as F

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
torch.backends.mha.set_fastpath_enabled(False)
torch.manual_seed(0)


class Block(nn.Module):
    def __init__(self, i, o, stride=1):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.c2, self.b2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        same = stride == 1 and i == o
        self.down = nn.Identity() if same else nn.Sequential(nn.Conv2d(i, o, 1, stride), nn.BatchNorm2d(o))

    def forward(self, x):
        y = F.relu(self.b1(self.c1(x)))
        return F.relu(self.b2(self.c2(y)) + self.down(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.bn, self.pool = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.MaxPool2d(3, 2, 1)
        self.blocks = nn.Sequential(Block(8, 8), Block(8, 12, 2))
        self.avg, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(12, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.bn(self.stem(x))))
        return self.fc(torch.flatten(self.avg(self.blocks(x)), 1))


class SqueezeExcite(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.pool, self.a, self.b = nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, c // 2, 1), nn.Conv2d(c // 2, c, 1)

    def forward(self, x):
        return x * F.hardsigmoid(self.b(F.relu(self.a(self.pool(x)))))


def mobilenet():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish(),
        nn.Conv2d(8, 16, 1, bias=False), nn.BatchNorm2d(16), nn.Hardswish(),
        nn.Conv2d(16, 16, 5, 1, 2, groups=16, bias=False), nn.BatchNorm2d(16), SqueezeExcite(16), nn.Hardswish(),
        nn.Conv2d(16, 8, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, 12), nn.Hardswish(), nn.Dropout(0.2), nn.Linear(12, 10),
    )


class ViT(nn.Module):
    def __init__(self, d=16):
        super().__init__()
        self.patch = nn.Conv2d(3, d, 8, 8)
        self.cls, self.pos = nn.Parameter(torch.randn(1, 1, d)), nn.Parameter(torch.randn(1, 17, d) * 0.1)
        layer = nn.TransformerEncoderLayer(d, 2, 32, dropout=0, activation="gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        return self.head(self.norm(self.encoder(x))[:, 0])


class ConvNeXtBlock(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.dw, self.norm = nn.Conv2d(d, d, 7, 1, 3, groups=d), nn.LayerNorm(d, eps=1e-6)
        self.a, self.b, self.gamma = nn.Linear(d, 4 * d), nn.Linear(4 * d, d), nn.Parameter(torch.randn(d) * 0.5)

    def forward(self, x):
        y = self.norm(self.dw(x).permute(0, 2, 3, 1))
        return x + (self.b(F.gelu(self.a(y))) * self.gamma).permute(0, 3, 1, 2)


class ChannelNorm(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    def __init__(self):
        super().__init__()
        self.stages = nn.Sequential(
            nn.Conv2d(3, 8, 4, 4), ChannelNorm(8), ConvNeXtBlock(8),
            ChannelNorm(8), nn.Conv2d(8, 12, 2, 2), ConvNeXtBlock(12),
        )
        self.norm, self.head = nn.LayerNorm(12), nn.Linear(12, 10)

    def forward(self, x):
        return self.head(self.norm(self.stages(x).mean([-2, -1])))


def twice(i, o):
    return nn.Sequential(
        nn.Conv2d(i, o, 3, 1, 1), nn.BatchNorm2d(o), nn.ReLU(), nn.Conv2d(o, o, 3, 1, 1), nn.GroupNorm(2, o), nn.ReLU()
    )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = twice(1, 6), twice(6, 12), twice(12, 6)
        self.up, self.out = nn.ConvTranspose2d(12, 6, 2, 2), nn.Conv2d(6, 2, 1)

    def forward(self, x):
        a = self.a(x)
        return self.out(self.c(torch.cat([a, self.up(self.b(F.max_pool2d(a, 2)))], 1)))


class Yolo(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2, self.m = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 16, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.c3, self.sp, self.up = nn.Conv2d(24, 16, 1), nn.Conv2d(16, 8, 1), nn.Upsample(scale_factor=2)
        self.h1, self.h2 = nn.Conv2d(16, 15, 1), nn.Conv2d(16, 15, 1)

    def forward(self, x):
        a = F.silu(self.c1(x))
        p, q = F.silu(self.c2(a)).chunk(2, 1)
        b = F.silu(self.c3(torch.cat([p, q, F.silu(self.m(q))], 1)))
        z = F.silu(self.sp(b))
        z = torch.cat([z, F.max_pool2d(z, 5, 1, 2)], 1)
        u = torch.cat([self.up(z[:, :8]), a], 1)
        y = torch.cat([head.flatten(2) for head in (self.h1(u), self.h2(b))], 2)
        box, classes = y.split((5, 10), 1)
        return torch.cat([box.sigmoid() * 2 - 0.5, classes.sigmoid()], 1)


class GRUNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.GRU(6, 8, 2, batch_first=True, bidirectional=True), nn.Linear(16, 5)

    def forward(self, x):
        return self.head(self.rnn(x)[0])


class LSTMNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.rnn, self.head = nn.Embedding(20, 6), nn.LSTM(6, 8, batch_first=True), nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.rnn(self.embedding(x))[0][:, -1])


image = torch.randn(2, 3, 32, 32)
nets = {
    "resnet": (ResNet(), image),
    "mobilenet": (mobilenet(), image),
    "vit": (ViT(), image),
    "convnext": (ConvNeXt(), image),
    "unet": (UNet(), torch.randn(2, 1, 16, 16)),
    "yolo": (Yolo(), image),
    "gru": (GRUNet(), torch.randn(2, 7, 6)),
    "lstm": (LSTMNet(), torch.randint(0, 20, (2, 7))),
}
here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nets")
for name, (net, x) in nets.items():
    net.eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    common = {"input_names": ["x"], "output_names": ["y"]}
    # Scaled dot products came to the old exporter with 14.
    old = 14 if name == "vit" else 13
    torch.onnx.export(net, (x,), f"{here}/{name}_{old}.onnx", opset_version=old, dynamo=False,
                      dynamic_axes={"x": {0: "n"}}, **common)
    torch.onnx.export(net, (x,), f"{here}/{name}_20.onnx", opset_version=20, dynamo=True, verbose=False,
                      external_data=False, dynamic_shapes=({0: torch.export.Dim("n")},), **common)
    for opset in (old, 20):
        path = f"{here}/{name}_{opset}.onnx"
        model = onnx.load(path)
        for message in [model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input,
                        *model.graph.output]:
            message.doc_string = ""
            del message.metadata_props[:]
        onnx.save(model, path)
