"""Does it fit? Kernels of some size on images of some size on a given bench: where, how fast, how bright.

    band    = lambda f1 / input pitch    width of the display's band in the Fourier plane; the panel carries it
    field   = lambda f1 / SLM pitch      width of the unaliased field on the camera, in input units
    tile    = image + spill of the kernel + guard

The planner computes and compares lengths; nothing is propagated. What does not fit is told with the number that would.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from optics.bench import geometry
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, SpecError
from optics.conventions import Point
from optics.fourf.camera_window import CameraWindow
from optics.fourf.pupil import illuminated_pixels
from optics.fourf.system import FourF
from optics.notebook import table, words
from optics.plan.feasibility import focal_lengths, problems
from optics.plan.hints import colours, hints
from optics.plan.memory import peak_memory

Readout = Literal["intensity", "homodyne", "incoherent"]
LARGEST = 2**25  # values in a plane or a transform, beyond which a system is not built only to be measured
EXPOSURES: dict[Readout, int] = {"intensity": 1, "homodyne": 4, "incoherent": 2}


class Schedule(BaseModel):
    """One way of showing all kernels.

    tiles: kernels side by side in one frame. frames: SLM patterns for all kernels. exposures: camera frames
    per image. images_per_second: by the slower of SLM and camera. carriers: (y, x) cycles per SLM pixel of
    each place. photons_full_scale: per binned camera pixel where image and mask are 1. photons_typical: the
    same through the mask of a typical kernel. signal_to_noise: of one binned pixel at photons_typical.
    """

    model_config = ConfigDict(frozen=True)
    tiles: int
    frames: int
    exposures: int
    images_per_second: float
    carriers: tuple[Point, ...]
    photons_full_scale: float | None
    photons_typical: float | None
    signal_to_noise: float | None


class Plan(BaseModel):
    """What `plan` found. Lengths in metres, sizes (y, x).

    band: of the display in the Fourier plane. band_pixels: the same in SLM pixels. panel: size of the SLM.
    field: unaliased output field, input units. field_pixels: the same in input pixels. lens_diameters: what
    lens 1 and 2 need. tiles_possible: kernels that one frame can hold. schedules: one kernel a frame first,
    then side by side. focal_lengths: (f1, f2) of stock lenses with which the rest of this bench fits.
    memory: bytes that a simulation of `batch` images takes, by path. problems: why it does not fit, each
    with what would. notes: what else to know.
    """

    model_config = ConfigDict(frozen=True)
    bench: str
    kernels: int
    taps: int
    image_shape: tuple[int, int]
    readout: Readout
    fits: bool
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    band: float
    band_pixels: float
    panel: Point
    field: float
    field_pixels: float
    lens_diameters: Point
    tiles_possible: int
    schedules: tuple[Schedule, ...]
    focal_lengths: tuple[Point, ...]
    batch: int
    memory: dict[str, int]

    def __repr__(self) -> str:
        """Whether it fits, and each way of showing the kernels."""
        fits = "fits" if self.fits else f"does not fit: {self.problems[0]}"
        lines = [f"Plan({self.kernels} kernels of {self.taps} taps on {self.bench!r}: {fits})"]
        lines += [
            f"  {s.tiles} a frame: {s.frames} frames, {s.exposures} exposures, {s.images_per_second:.3g} images/s"
            for s in self.schedules
        ]
        return "\n".join(lines)

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """What a notebook shows: these words, and a row for each schedule."""
        head = ["kernels a frame", "frames", "exposures", "images/s", "photons, typical", "signal to noise"]
        rows = [
            [
                str(s.tiles),
                str(s.frames),
                str(s.exposures),
                f"{s.images_per_second:.3g}",
                *("-" if v is None else f"{v:.3g}" for v in (s.photons_typical, s.signal_to_noise)),
            ]
            for s in self.schedules
        ]
        notes = "\n".join((*self.problems, *self.notes))
        return words(repr(self).splitlines()[0]) + table(head, rows) + words(notes)


def plan(
    bench: BenchSpec,
    *,
    kernels: int,
    taps: int,
    image_shape: tuple[int, int],
    readout: Readout = "intensity",
    channels: int = 1,
    tiles_wanted: int = 1,
    rate: float | None = None,
    batch: int = 256,
) -> Plan:
    """Whether `kernels` kernels of `taps x taps` on images of `image_shape` fit the bench, and how.

    Args:
        bench: the bench.
        kernels: masks to show (output channels, times input channels where those add as intensities).
        taps: per side of a collapsed kernel.
        image_shape: (H, W) input pixels.
        readout: intensity takes one exposure a mask, homodyne four, incoherent two (signed kernels).
        channels: of the images, side by side on the display, as colours that add as fields are shown.
        tiles_wanted: kernels to show side by side in one frame, a divisor of `kernels`.
        rate: images per second that are wanted.
        batch: images of one simulated batch, for the memory.

    Raises:
        OpticsError: a number that is not positive and finite, or an unknown read-out.
    """
    for name, value in (
        ("kernels", kernels),
        ("taps", taps),
        ("channels", channels),
        ("tiles_wanted", tiles_wanted),
        ("batch", batch),
    ):
        if value < 1:
            raise OpticsError(f"{name} is {value}, expected 1 or more.")
    if min(image_shape) < 1 or readout not in EXPOSURES:
        raise OpticsError(
            f"image_shape is {image_shape} and readout {readout!r}; expected positive sizes and one of "
            f"{', '.join(EXPOSURES)}."
        )
    if rate is not None and not 0.0 < rate < math.inf:
        raise OpticsError(f"rate is {rate:g}, expected images per second, above 0.")
    shown = geometry.side_by_side(image_shape, channels, gap=taps)
    view = CameraWindow(shown, image_shape, channels=channels, gap=taps if channels > 1 else 0)
    places = geometry.positions(bench, shown, taps)
    wanted = geometry.most_tiles(kernels, min(tiles_wanted, len(places)))
    found = problems(bench, shown, taps, image_shape)
    schedules = []
    for n in sorted({1, wanted, geometry.most_tiles(kernels, len(places))}):
        tiles = geometry.tile_positions(bench, shown, taps, kernels=kernels, tiles=n)
        schedules.append(_schedule(bench, kernels, taps, EXPOSURES[readout], tiles))
    try:
        geometry.tile_positions(bench, shown, taps, kernels=kernels, tiles=tiles_wanted)
    except SpecError as error:
        found.append(str(error))
    if rate is not None:
        found += _too_slow(bench, schedules, wanted, rate)
    first = next(s for s in schedules if s.tiles == wanted)
    return Plan(
        bench=bench.name,
        kernels=kernels,
        taps=taps,
        image_shape=image_shape,
        readout=readout,
        fits=not found,
        problems=tuple(found),
        notes=tuple(_notes(bench, image_shape, first) + colours(bench, image_shape[1] + taps, channels)),
        band=bench.band,
        band_pixels=bench.band / bench.slm.pitch,
        panel=(bench.slm.shape[0] * bench.slm.pitch, bench.slm.shape[1] * bench.slm.pitch),
        field=geometry.field_width(bench),
        field_pixels=geometry.field_width(bench) / bench.input.pitch,
        lens_diameters=geometry.lens_needed(bench, shown, bench.image_offset),
        tiles_possible=len(places),
        schedules=tuple(schedules),
        focal_lengths=focal_lengths(bench, shown, taps, image_shape),
        batch=batch,
        memory=_memory(bench, view, kernels, batch),
    )


# ------------------------------------------------------------------ light and time


def _schedule(
    bench: BenchSpec, kernels: int, taps: int, exposures: int, places: tuple[Point, ...]
) -> Schedule:
    frames = math.ceil(kernels / len(places))
    camera, photons = bench.camera, bench.light.photons
    full = typical = noise = None
    if photons is not None:
        gain = min(geometry.order_gain(bench, p) for p in places)
        full = photons * camera.binning**2 * gain**2 * geometry.tile_share(bench, taps, len(places))
        typical = full * geometry.mask_share(taps)
        signal = typical * camera.quantum_efficiency
        variance = (signal if camera.shot_noise else 0.0) + camera.dark_electrons
        variance += (camera.binning * camera.read_noise) ** 2
        noise = signal / math.sqrt(variance) if variance else None
    return Schedule(
        tiles=len(places),
        frames=frames,
        exposures=frames * exposures,
        images_per_second=1 / _seconds_an_image(bench, frames, exposures),
        carriers=tuple(geometry.carrier_of(bench, p) for p in places),
        photons_full_scale=full,
        photons_typical=typical,
        signal_to_noise=noise,
    )


def _seconds_an_image(bench: BenchSpec, frames: int, exposures: int) -> float:
    """Time for `exposures` exposures of each of `frames` SLM frames; a panel that shows one frame need not wait."""
    timing, each = bench.slm.timing, max(1 / bench.slm.frame_rate, bench.camera.exposure)
    waiting = timing.latency + timing.settling if frames > 1 else 0.0
    if waiting == 0.0:
        return frames * exposures * each
    return frames * (max(1 / bench.slm.frame_rate, waiting + bench.camera.exposure) + (exposures - 1) * each)


def _too_slow(bench: BenchSpec, schedules: Sequence[Schedule], wanted: int, rate: float) -> list[str]:
    chosen = next((s for s in schedules if s.tiles >= wanted), schedules[-1])
    if chosen.images_per_second >= rate:
        return []
    needed = rate * chosen.exposures
    faster, camera, timing = [], bench.camera.exposure, bench.slm.timing
    if bench.slm.frame_rate < needed:
        faster.append(f"an SLM of {needed:.4g} frames/s (now {bench.slm.frame_rate:g})")
    waiting = timing.latency + timing.settling if chosen.frames > 1 else 0.0
    if waiting and waiting + camera > 1 / needed:
        faster.append(
            f"slm.timing and camera.exposure of together at most {1 / needed:.3g} s (now {waiting + camera:.3g})"
        )
    elif camera > 1 / needed:
        faster.append(f"a camera.exposure of {1 / needed:.3g} s (now {camera:g})")
    best = schedules[-1]
    instead = (
        f", or {best.tiles} kernels side by side ({best.images_per_second:.3g} images/s)"
        if best.images_per_second >= rate
        else ""
    )
    return [
        f"{chosen.exposures} exposures an image give {chosen.images_per_second:.3g} images/s, {rate:g} are wanted: use "
        f"{' and '.join(faster)}{instead}."
    ]


def _notes(bench: BenchSpec, image_shape: tuple[int, int], chosen: Schedule) -> list[str]:
    notes = []
    if bench.stop is None:
        notes.append(
            f"no stop: the display's replica orders pass. A stop of {bench.band:.4g} m removes them."
        )
    elif min(bench.stop.width) < bench.band * (1 - 1e-3):
        share = min(bench.stop.width) / bench.band
        notes.append(f"the stop passes {share:.0%} of the display's band: the image is that much coarser.")
    pixels = bench.input.pitch * bench.magnification / bench.camera.binned_pitch
    notes.append(
        f"an input pixel covers {pixels:.3g} binned camera pixels a side; read-out bins are at most "
        f"{math.floor(image_shape[0] * pixels)} x {math.floor(image_shape[1] * pixels)}."
    )
    full, limit, photons = chosen.photons_full_scale, bench.camera.saturation_photons, bench.light.photons
    if full is not None and photons is not None and full > limit:
        notes.append(
            f"a full-scale pixel saturates ({full:.3g} photons, limit {limit:.3g}); a typical mask gives "
            f"{chosen.photons_typical:.3g}. With light.photons of {photons * limit / full:.3g} none can."
        )
    if chosen.tiles > 1:
        notes.append(
            "kernels side by side share the light and disturb each other through higher orders of their carriers; the "
            f'light is estimated. `student.on(bench, realisation="tiled", tiles={chosen.tiles})` simulates them.'
        )
    return notes + hints(bench)


def _memory(bench: BenchSpec, view: CameraWindow, kernels: int, batch: int) -> dict[str, int]:
    """Peak bytes of a simulated batch, by path; nothing where the system cannot be simulated so."""
    try:
        illuminated = [len(illuminated_pixels(bench, k)[1]) for k in (0, 1)]
        if math.prod(illuminated) > LARGEST or any(
            a * b > LARGEST for a, b in zip(illuminated, view.image_shape, strict=True)
        ):
            return {}
        system = FourF(bench, view)
    except SpecError:
        return {}
    return {
        "psf": peak_memory(system, images=batch, masks=kernels, path="psf"),
        "wave": peak_memory(system, images=batch, masks=kernels, path="wave"),
    }
