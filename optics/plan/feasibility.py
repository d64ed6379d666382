"""Whether one kernel fits a bench: every length compared, and what would do where one does not fit."""

from __future__ import annotations

from itertools import product

from optics.bench import geometry
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.conventions import Point

LENSES = (0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)  # focal lengths of stock achromats, metres


def problems(
    bench: BenchSpec, image_shape: tuple[int, int], taps: int, seen: tuple[int, int] | None = None
) -> list[str]:
    """Why one kernel a frame does not fit, each with the number that would.

    Args:
        bench: the bench.
        image_shape: (H, W) input pixels that the display shows.
        taps: per side of a kernel.
        seen: (H, W) of them that the camera has to see; all by default. Of channels side by side it is one's.
    """
    found = _panel(bench) + _lenses(bench, image_shape)
    field, offset, pitch = geometry.field_width(bench), bench.image_offset, bench.input.pitch
    for k, name in enumerate("yx"):
        half = (image_shape[k] / 2 + taps // 2) * pitch
        edge = abs(offset[k]) + half
        if 2 * half > field:
            found.append(
                f"along {name} the image with its spill is {2 * half / pitch:.0f} input pixels, the unaliased field "
                f"{field / pitch:.0f}: use images of at most {field / pitch - 2 * (taps // 2):.0f} pixels or a lens1."
                f"focal_length of at least {2 * half * bench.slm.pitch / bench.light.wavelength:.3g} m."
            )
        elif edge > field / 2:
            found.append(
                f"along {name} the image leaves the unaliased field: use an encoding.carrier of at most "
                f"{(field / 2 - half) / field:.3g} cycles per SLM pixel (now {abs(offset[k]) / field:.3g})."
            )
        found += _sensor(bench, seen or image_shape, k)
    if not geometry.clears_zero_order(bench, image_shape, offset):
        found.append(_zero_order(bench, image_shape, taps))
    return found


def _zero_order(bench: BenchSpec, image_shape: tuple[int, int], taps: int) -> str:
    """What would part the image from the zero order: a carrier, or a wider field where no carrier can."""
    width = geometry.field_width(bench) / bench.input.pitch
    least = [(n + geometry.GUARD) / width for n in image_shape]
    most = [0.5 - (n / 2 + taps // 2) / width for n in image_shape]
    possible = [f"{c:.3g} along {k}" for c, m, k in zip(least, most, "yx", strict=True) if c <= m]
    now = geometry.carrier_of(bench, bench.image_offset)
    if possible:
        fix = (
            f"use an encoding.carrier of at least {' or '.join(possible)} (now ({now[0]:.3g}, {now[1]:.3g}))."
        )
    else:
        needed = min(3 * n + 2 * (taps // 2) + 2 * geometry.GUARD for n in image_shape)
        fix = (
            f"no carrier parts them in a field of {width:.0f} input pixels. Use a field of {needed}, by a "
            f"lens1.focal_length of at least {bench.lens1.focal_length * needed / width:.3g} m or a smaller "
            f"input.pitch; or images of at most {int((width - 2 * (taps // 2) - 2 * geometry.GUARD) / 3)} pixels."
        )
    return f"the image overlaps the un-modulated zero order: {fix}"


def _panel(bench: BenchSpec) -> list[str]:
    found = []
    for k, name in enumerate("yx"):
        panel = bench.slm.shape[k] * bench.slm.pitch - 2 * abs(bench.alignment.mask_shift[k])
        needed = bench.band if bench.stop is None else min(bench.band, bench.stop.width[k])
        if needed > panel * (1 + 1e-9):
            found.append(
                f"along {name} the display's band is {needed * 1e3:.3g} mm wide in the Fourier plane, the panel "
                f"{panel * 1e3:.3g} mm: use an input.pitch of at least {bench.scale / panel:.3g} m (now "
                f"{bench.input.pitch:.3g}) or a lens1.focal_length of at most "
                f"{panel * bench.input.pitch / bench.light.wavelength:.3g} m (now {bench.lens1.focal_length:g})."
            )
    return found


def _lenses(bench: BenchSpec, image_shape: tuple[int, int]) -> list[str]:
    found = []
    for name, diameter, needed in geometry.vignetting(bench, image_shape, bench.image_offset):
        stop = (
            "" if bench.stop else f" Or set a stop of {bench.band:.3g} m: the whole panel is illuminated now."
        )
        found.append(
            f"{name} needs a diameter of {needed * 1e3:.3g} mm (now {diameter * 1e3:.3g}); a smaller stop, "
            f"image or carrier needs less.{stop}"
        )
    return found


def _sensor(bench: BenchSpec, image_shape: tuple[int, int], k: int) -> list[str]:
    offset, m = bench.image_offset[k], bench.magnification
    if geometry.on_sensor(bench, image_shape[k], offset, k):
        return []
    image, sensor = geometry.image_edges(bench, image_shape[k], offset), geometry.sensor_edges(bench, k)
    edge, limit = max(((-image[0], -sensor[0]), (image[1], sensor[1])), key=lambda side: side[0] / side[1])
    most = (limit - edge + abs(offset)) / geometry.field_width(bench)
    carrier = f" or an encoding.carrier of at most {most:.3g}" if most > 0 else " or a larger sensor"
    return [
        f"along {'yx'[k]} the image ends {edge * m * 1e3:.3g} mm from the axis, the sensor at "
        f"{limit * m * 1e3:.3g} mm: use a lens2.focal_length of at most "
        f"{limit / edge * bench.lens2.focal_length:.3g} m (now {bench.lens2.focal_length:g}){carrier}."
    ]


def focal_lengths(
    bench: BenchSpec, image_shape: tuple[int, int], taps: int, seen: tuple[int, int] | None = None
) -> tuple[Point, ...]:
    """Pairs of stock focal lengths with which the bench fits; the stop follows lens 1."""
    found = []
    for f1, f2 in product(LENSES, LENSES):
        changes: dict[str, object] = {"lens1.focal_length": f1, "lens2.focal_length": f2}
        if bench.stop is not None:
            ratio = f1 / bench.lens1.focal_length
            changes["stop.width"] = (bench.stop.width[0] * ratio, bench.stop.width[1] * ratio)
        try:
            other = bench.replace(**changes)
        except SpecError:
            continue
        if not problems(other, image_shape, taps, seen):
            found.append((f1, f2))
    return tuple(found)
