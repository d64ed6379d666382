"""Our cascade against the paper's formulation: the same maps and gradients; and none of what went wrong there."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from networks.cascade.cascade import Cascade
from tests.scenes import generator

ROOT = Path(__file__).parents[3]
PAPER = ROOT / "benchmarks" / "paper_cascade.py"
if not PAPER.is_file():
    pytest.skip("the benchmarks are not part of this installation", allow_module_level=True)
spec = importlib.util.spec_from_file_location("paper_cascade", PAPER)
paper = importlib.util.module_from_spec(spec)
spec.loader.exec_module(paper)


def difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(((a - b).abs().max() / b.abs().max()).detach())


@pytest.mark.parametrize(
    ("channels", "shape", "pool"),
    [((1, 4, 6, 5), 28, None), ((3, 4, 5, 4, 6, 5), 40, (21, 13, 9, 7, None))],
)
def test_the_same_maps_and_gradients(channels, shape, pool):
    image_shape = None if pool is None else (shape, shape)
    cascade = Cascade(
        channels, 3, parameterisation="real", image_shape=image_shape, pool=pool, generator=generator()
    )
    kernels = [layer.weight for layer in cascade.layers]
    x = torch.rand(3, channels[0], shape, shape, generator=generator(1))
    theirs = paper.digits(x, kernels, crop=False) if pool is None else paper.photographs(x, kernels, pool)
    ours = cascade.maps(x)
    assert not ours.is_complex() and difference(ours, theirs) < 1e-5
    weight = torch.randn(theirs.shape, generator=generator(2))
    for one, two in zip(
        torch.autograd.grad((ours * weight).sum(), kernels),
        torch.autograd.grad((theirs * weight).sum(), kernels),
        strict=True,
    ):
        assert difference(one, two) < 1e-5


@pytest.mark.parametrize("boundary", ["zero", "circular"])
def test_no_relu_hides_in_the_pools_and_imaginary_taps_learn(boundary):
    cascade = Cascade(
        (3, 4, 5, 4), 3, boundary=boundary, image_shape=(20, 20), pool=(11, 7, None), generator=generator()
    )
    a, b = torch.randn(2, 2, 3, 20, 20, generator=generator(1))
    assert difference(cascade(2 * a - 3 * b), 2 * cascade(a) - 3 * cascade(b)) < 1e-5
    assert difference(cascade(-a), -cascade(a)) < 1e-5
    cascade(a).abs().square().sum().backward()
    for layer in cascade.layers:
        assert layer.weight.grad[..., 1].abs().min() > 0


@pytest.mark.slow
def test_the_benchmark_reports_every_ratio():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "cascade", "--json", "--quick"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    wanted = {"train_28", "train_28_binned", "train_224", "train_224_periodic", "infer_28", "infer_224"}
    wanted |= {"memory_28_mb", "realistic_over_ideal_step", "growth_28_896"}
    assert wanted <= set(result["ratios"])
    assert all(error < 1e-5 for error in result["errors"].values())
    assert result["ratios"]["growth_28_896"] < 1.3 and result["ratios"]["realistic_over_ideal_step"] < 3
