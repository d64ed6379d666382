"""Batch statistics of maps that are never formed."""

from __future__ import annotations

import copy

import pytest
import torch

from networks.cascade.binned_patches import patch_moments
from networks.cascade.cascade import Cascade
from networks.cascade.convolution import convolve
from networks.cascade.normalised import NormalisedMaps
from networks.cascade.separable import bin_area
from optics.checks import OpticsError
from tests.scenes import generator


def reference(norm: NormalisedMaps, cascade: Cascade, x: torch.Tensor) -> torch.Tensor:
    """All maps, batch normalisation, then the average."""
    maps = torch.nn.functional.batch_norm(
        cascade.layer_by_layer(x).real,
        norm.running_mean,
        norm.running_var,
        norm.weight,
        norm.bias,
        training=norm.training,
        momentum=norm.momentum,
        eps=norm.epsilon,
    )
    return maps if norm.bins is None else bin_area(maps, norm.bins)


@pytest.mark.parametrize("boundary", ["zero", "circular"])
@pytest.mark.parametrize("bins", [(3, 4), (4, 5), None])
def test_equal_to_batch_norm_of_the_maps_then_binning(boundary, bins):
    cascade = Cascade((2, 3, 5), 3, parameterisation="real", boundary=boundary, generator=generator())
    norm = NormalisedMaps(5, bins)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 2, generator=generator(1))
        norm.bias.normal_(generator=generator(2))
    other = copy.deepcopy(norm)
    x = torch.rand(6, 2, 12, 11, generator=generator(3))
    for training in (True, False):
        norm.train(training), other.train(training)
        ours, theirs = norm(cascade, x), reference(other, cascade, x)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-5)
        parameters = [*cascade.parameters()]
        a = torch.autograd.grad((ours**3).sum(), [*parameters, *norm.parameters()])
        b = torch.autograd.grad((theirs**3).sum(), [*parameters, *other.parameters()])
        for one, two in zip(a, b, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-3, atol=1e-4 * float(two.abs().max()))
    torch.testing.assert_close(norm.running_mean, other.running_mean)
    torch.testing.assert_close(norm.running_var, other.running_var)


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("taps", [1, 3, 5])
def test_moments_are_those_of_the_shifts(circular, taps):
    x = torch.rand(4, 2, 7, 6, dtype=torch.float64, generator=generator(1))
    delta = torch.eye(2 * taps * taps, dtype=torch.float64).view(-1, 2, taps, taps)
    shifts = convolve(x, delta, boundary="circular" if circular else "zero").transpose(0, 1).flatten(1)
    mean, covariance = patch_moments(x, taps, circular=circular)
    torch.testing.assert_close(mean, shifts.mean(1))
    torch.testing.assert_close(covariance, torch.cov(shifts, correction=0))


def test_complex_fields_are_refused():
    with pytest.raises(OpticsError, match="real kernels"):
        NormalisedMaps(2)(Cascade((1, 2), generator=generator()), torch.zeros(1, 1, 8, 8))
