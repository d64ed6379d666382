"""Spots in a frame: where they are, to a fraction of a pixel, how bright, and how far one frame lies from another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_WINDOW = 4  # radius, in widths, that a spot's fit looks at


@dataclass(frozen=True)
class Spot:
    """One spot: (row, column) of its centre, its height above the background, counts, and its rms width, pixels."""

    place: tuple[float, float]
    height: float
    width: float


def fit_spot(frame: Tensor, start: tuple[float, float], width: float) -> Spot:
    """A round Gaussian and a level background, fitted by least squares to a frame (y, x) around `start`.

    Args:
        frame: counts.
        start: (row, column) near the spot.
        width: its rms width, pixels, about.
    """
    h, w = frame.shape
    r = max(2.0, _WINDOW * width / 2)
    rows = slice(max(0, round(start[0] - r)), min(h, round(start[0] + r) + 1))
    cols = slice(max(0, round(start[1] - r)), min(w, round(start[1] + r) + 1))
    part = frame[rows, cols].double()
    if part.numel() < 6:
        return Spot(start, 0.0, width)
    y = torch.arange(rows.start, rows.stop, dtype=torch.float64)[:, None]
    x = torch.arange(cols.start, cols.stop, dtype=torch.float64)[None, :]
    top, base = float(part.max()), float(part.min())
    at = torch.tensor([start[0], start[1], math.log(width), top - base, base], dtype=torch.float64)
    damp = 1e-3
    best = math.inf
    kept = at
    for _ in range(25):
        cy, cx, lw, a, b = at.tolist()
        s2 = math.exp(2 * lw)
        dy, dx = y - cy, x - cx
        g = torch.exp(-(dy**2 + dx**2) / (2 * s2))
        residual = (part - a * g - b).flatten()
        error = float(residual @ residual)
        if error < best:
            better = best - error
            best, kept, damp = error, at, max(damp / 5, 1e-9)
            ones = torch.ones_like(g)
            j = torch.stack(
                [a * g * dy / s2, a * g * dx / s2, a * g * (dy**2 + dx**2) / s2, g, ones]
            ).flatten(1)
            gram, rhs = j @ j.mT, j @ residual
            if better < 1e-10 * best:
                break
        else:
            damp *= 10
        step = torch.linalg.solve(gram + damp * torch.diag(gram.diagonal() + 1e-12), rhs)
        step[:2] = step[:2].clamp(-width, width)
        step[2] = step[2].clamp(-0.3, 0.3)
        at = kept + step
    return Spot((float(kept[0]), float(kept[1])), float(kept[3]), math.exp(float(kept[2])))


def peaks(frame: Tensor, least: float, apart: int) -> list[tuple[int, int]]:
    """Pixels above `least` that are the largest within `apart` pixels around them, brightest first."""
    size = 2 * apart + 1
    highest = torch.nn.functional.max_pool2d(frame[None, None], size, 1, apart)[0, 0]
    found = ((frame == highest) & (frame > least)).nonzero().tolist()
    return sorted(((int(r), int(c)) for r, c in found), key=lambda p: -float(frame[p[0], p[1]]))


def windows_inner(frame: Tensor, template: Tensor) -> Tensor:
    """Inner product of a template (th, tw) with every window of a frame (h, w), (h - th + 1, w - tw + 1) float64."""
    f, t = frame.double(), template.double()
    spectrum = torch.fft.rfft2(f) * torch.fft.rfft2(t, s=f.shape).conj()
    whole = torch.fft.irfft2(spectrum, s=f.shape)
    return whole[: f.shape[0] - t.shape[0] + 1, : f.shape[1] - t.shape[1] + 1]


def correlation(frame: Tensor, template: Tensor) -> Tensor:
    """Normalised cross-correlation of a template (th, tw) with every window of a frame, (h - th + 1, w - tw + 1)."""
    f, t = frame.double(), template.double() - template.double().mean()
    ones = torch.ones_like(t)
    mean = windows_inner(f, ones) / t.numel()
    power = windows_inner(f * f, ones) - t.numel() * mean**2
    least = 1e-9 * float(power.max())
    return windows_inner(f, t) / (t.norm() * power.clamp(min=least + 1e-30).sqrt())


def shift_between(
    first: Tensor, second: Tensor, spread: Tensor | None = None
) -> tuple[tuple[float, float], tuple[float, float]]:
    """How far the second frame (y, x) lies from the first, (rows, columns) of pixels, and the standard errors.

    Found by least squares: the first, shifted and scaled, is fitted to the second, from the cross-correlation's peak.

    Args:
        first: counts above black.
        second: likewise.
        spread: variance of the first's counts; None: 1.
    """
    a, b = first.double(), second.double()
    h, w = a.shape
    spectrum = torch.fft.fft2(b - b.mean()) * torch.fft.fft2(a - a.mean()).conj()
    peak = int(torch.fft.ifft2(spectrum).real.argmax())
    start = [((peak // w) + h // 2) % h - h // 2, ((peak % w) + w // 2) % w - w // 2]
    place = [float(start[0]), float(start[1])]
    noise = torch.ones_like(a) if spread is None else 2 * spread.double()
    errors = (math.inf, math.inf)
    for _ in range(6):
        moved_frame = shifted(a, place)
        dy = -torch.gradient(moved_frame, dim=0)[0]
        dx = -torch.gradient(moved_frame, dim=1)[0]
        my, mx = 1 + abs(math.ceil(place[0])), 1 + abs(math.ceil(place[1]))
        if 2 * my >= h - 2 or 2 * mx >= w - 2:
            break
        inside = (slice(my, h - my), slice(mx, w - mx))
        columns = torch.stack([p[inside].flatten() for p in (dy, dx, moved_frame, torch.ones_like(a))])
        weighted = columns / noise[inside].flatten()
        gram = weighted @ columns.mT
        gram = gram + 1e-12 * torch.diag(gram.diagonal() + 1e-30)
        step = torch.linalg.solve(gram, weighted @ (b - moved_frame)[inside].flatten())
        scale = 1 + float(step[2])
        move = (step[:2] / (scale if abs(scale) > 0.1 else 1.0)).clamp(-1, 1).tolist()
        place = [place[0] + move[0], place[1] + move[1]]
        sure = torch.linalg.inv(gram).diagonal().clamp(min=0).sqrt().tolist()
        errors = (sure[0], sure[1])
        if max(abs(m) for m in move) < 1e-4:
            break
    return (place[0], place[1]), errors


def shifted(frame: Tensor, by: list[float]) -> Tensor:
    """A frame (y, x) moved by a fraction of its pixels, by the phases of its spectrum; it wraps at the edges."""
    fy, fx = (torch.fft.fftfreq(n, dtype=torch.float64) for n in frame.shape)
    phase = -2 * math.pi * (fy[:, None] * by[0] + fx[None, :] * by[1])
    return torch.fft.ifft2(torch.fft.fft2(frame.double()) * torch.exp(1j * phase)).real
