"""1x1 convolutions of every n-th row and column, for few channels: the gradient is right, and memory stays whole.

oneDNN as torch 2.13 has it writes beyond its memory there on processors with AVX2 alone, where the channels are fewer
than eight and innermost. That ends a process or spoils what lies beside, so each case has a process of its own, whose
allocator checks its blocks.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from networks.channels_last import channels_last
from networks.teachers.resnet import Projection
from tests.scenes import error, generator

CASES = {
    "a residual network of few channels": """
        from networks.teachers.resnet import ResNet
        model = ResNet(3, 10, widths=(4, 8), blocks=1, large_images=False, generator=generator)
        images = torch.rand(27, 3, 16, 16, generator=generator)
    """,
    "one tap, every second sample": """
        from networks.cascade.convolution import Every, convolve_parts
        taps = torch.randn(8, 3, 1, 1, generator=generator, requires_grad=True)
        images = torch.rand(27, 3, 16, 16, generator=generator)
        model = lambda x: convolve_parts(x, taps, every=Every(2))[0]
    """,
}
TRAIN = """
for _ in range(12):
    out = model(images)
    out.square().sum().backward()
    beside = [torch.empty(n) for n in range(20, 400, 20)]
"""


def script(case: str) -> str:
    lines = [line.strip() for line in CASES[case].splitlines()]
    return "\n".join(("import torch", "generator = torch.Generator().manual_seed(0)", *lines, TRAIN))


@pytest.mark.parametrize("case", CASES)
def test_memory_stays_whole(case):
    # glibc checks every block that is freed; elsewhere what is spoilt shows by itself or not at all
    checked = {**os.environ, "LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3"}
    done = subprocess.run([sys.executable, "-c", script(case)], capture_output=True, text=True, env=checked)
    assert done.returncode == 0, done.stderr[-500:]


@pytest.mark.parametrize("channels", [3, 4, 12])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_projection_is_a_strided_convolution(channels, stride):
    x = torch.randn(5, channels, 9, 8, generator=generator(), dtype=torch.float64, requires_grad=True)
    made = Projection(channels, 8, 1, stride, bias=False).double()
    wanted = F.conv2d(x, made.weight, stride=stride)
    weights = torch.randn(wanted.shape, generator=generator(1), dtype=torch.float64)
    got = made(channels_last(x))
    assert error(got.detach(), wanted.detach()) < 1e-12
    slopes = [torch.autograd.grad((weights * out).sum(), (x, made.weight)) for out in (got, wanted)]
    for one, other in zip(*slopes, strict=True):
        assert error(one, other) < 1e-12
