"""The fringing field's mean over a pixel by a fine quadrature: slow, and exact where the quick rules are not.

`optics.slm.fringing_field` and `fringing_narrow` are within some tenths of a per cent for pixels of independent phases,
less where the pattern is regular: a plain blaze is up to 0.4 % off. A calibration that reads widths and fill factors
from such patterns needs better. Here the active square is sampled by Gauss-Legendre nodes near each edge, where the
neighbours have a share, and by one node further in.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optics.conventions import cis
from optics.slm.fringing_field import shares
from optics.slm.panel import SLM
from optics.slm.response import look_up
from optics.slm.ripple import rippled
from optics.wave.pixel_integration import gauss_legendre


def exact_reflectance(slm: SLM, levels: Tensor, *, ripple: float = 0.0, nodes: int = 5) -> Tensor:
    """`slm.of_levels(levels)` with the fringing field's mean taken exactly.

    Args:
        slm: a phase device without stuck or dead pixels; another, or one without fringing, gives its own `of_levels`.
        levels: integers, (n, ry, rx).
        ripple: relative, of one of `slm.states`.
        nodes: near each edge; with 5 frames are within 1e-4.

    Returns:
        (n, ry, rx) complex; not differentiable.
    """
    spec = slm.spec
    if spec.modulation != "phase" or slm.fringing is None or slm.defective is not None:
        return slm.of_levels(levels, ripple=(ripple,))
    phase = look_up(slm.table, levels.to(torch.int32))
    if slm.sections is not None:
        phase = phase * slm.sections
    if ripple:
        phase = rippled(phase, ripple)
    side = math.sqrt(spec.fill_factor)
    axes = [_axis(width, side, nodes) for width in spec.crosstalk]
    reach = [table.shape[1] // 2 for _, table in axes]
    out = []
    with torch.no_grad():
        for plane in phase:
            padded = torch.nn.functional.pad(
                plane[None, None], (reach[1], reach[1], reach[0], reach[0]), mode="replicate"
            )[0, 0]
            out.append(slm.with_gaps(_mean(padded, plane.shape, axes)))
    return torch.stack(out)


def _axis(width: float, side: float, nodes: int) -> tuple[list[float], Tensor]:
    """Weights of the nodes over the active square along one axis, and the neighbours' shares at each, (S, K)."""
    if width == 0.0:
        return [1.0], torch.ones(1, 1, dtype=torch.float64)
    points, weights = gauss_legendre(nodes)
    # within one and a half widths of the edge the neighbour has a share; further in one node is enough
    outer = min(1.5 * width, side / 2)
    place = side / 2 - outer * (1 - points) / 2
    part = weights * outer
    if outer < side / 2:
        inner = side / 2 - outer
        place = torch.cat((place.new_tensor([inner / 2]), place))
        part = torch.cat((part.new_tensor([inner]), part))
    half = (part / side).tolist()
    return half + half, shares(torch.cat((-place, place)), width)


def _mean(padded: Tensor, shape: torch.Size, axes: list[tuple[list[float], Tensor]]) -> Tensor:
    (ny, nx), ((weights_y, table_y), (weights_x, table_x)) = shape, axes
    re, im = padded.new_zeros(ny, nx), padded.new_zeros(ny, nx)
    local = torch.empty_like(re)
    for wy, row in zip(weights_y, table_y.tolist(), strict=True):
        rows = padded.narrow(0, 0, ny) * row[0]
        for k in range(1, len(row)):
            rows = rows + row[k] * padded.narrow(0, k, ny)
        for wx, column in zip(weights_x, table_x.tolist(), strict=True):
            torch.mul(rows.narrow(1, 0, nx), column[0], out=local)
            for k in range(1, len(column)):
                local.add_(rows.narrow(1, k, nx), alpha=column[k])
            turn = cis(local)
            re.add_(turn.real, alpha=wy * wx)
            im.add_(turn.imag, alpha=wy * wx)
    return torch.complex(re, im)
