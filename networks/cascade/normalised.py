"""Normalised, pooled maps of a linear read-out: what the published digits student has behind its cascade.

Batch normalisation of the full-resolution maps, then an average over equal areas. Both are linear in the map once its
mean and variance over the batch are known, and these follow from the moments of the shifted images alone:
`mean_o = k_o m`, `variance_o = k_o C k_o`. So the maps are never formed, exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from networks.cascade.binned_patches import binned_patches, patch_moments
from networks.cascade.cascade import Cascade
from optics.checks import OpticsError


class NormalisedMaps(nn.Module):
    """`bin_area(BatchNorm2d(cascade.maps(x)), bins)` of real cascades and images, without the maps.

    Args:
        channels: output channels of the cascade.
        bins: (by, bx) equal areas; None keeps every pixel.
        momentum, epsilon: as in `torch.nn.BatchNorm2d`.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        channels: int,
        bins: tuple[int, int] | None = (6, 6),
        *,
        momentum: float = 0.1,
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        self.bins = bins
        self.momentum = momentum
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, cascade: Cascade, x: Tensor) -> Tensor:
        """Images (B, in, y, x) to (B, out, by, bx).

        Raises:
            OpticsError: the field is complex, or not one small kernel per channel.
        """
        kernels = cascade.kernels_or_none()
        if kernels is None or kernels.is_complex() or x.is_complex():
            raise OpticsError("normalised maps need a cascade of small real kernels and real images.")
        flat = kernels.flatten(1)
        circular = cascade.boundary == "circular"
        if self.training:
            mean, variance = self._moments(flat, x, kernels.shape[-1], circular=circular)
        else:
            mean, variance = self.running_mean, self.running_var
        gain = self.weight * (variance + self.epsilon).rsqrt()
        if self.bins is None:
            maps = cascade.maps(x)
        else:
            shifts = binned_patches(x, kernels.shape[-1], self.bins, boundary=cascade.boundary)
            maps = (flat @ shifts).unflatten(2, self.bins)
        return maps * gain[:, None, None] + (self.bias - mean * gain)[:, None, None]

    def _moments(self, kernels: Tensor, x: Tensor, taps: int, *, circular: bool) -> tuple[Tensor, Tensor]:
        shift_mean, covariance = patch_moments(x, taps, circular=circular)
        mean = kernels @ shift_mean
        variance = ((kernels @ covariance) * kernels).sum(1)
        with torch.no_grad():
            count = x.shape[0] * x.shape[-2] * x.shape[-1]
            self.running_mean.lerp_(mean.detach(), self.momentum)
            self.running_var.lerp_(variance.detach() * count / (count - 1), self.momentum)
        return mean, variance
