"""What a laboratory shows first: an F and a grid of points for each plane, flat, blank, a grating; what comes of it.

    lab/slm-*.png       panel frames: blank, flat, grating (the signal order of a clear mask), f, grid
    lab/display-*.png   pictures for the display: black, f, grid, point
    lab/camera-*.png    what the camera should see of each pair, as its raw frame has it
    README.txt          which pair in which order, what to look for, what to change (`distill.export.lab_readme`)

An F tells the eight ways up apart: the display's own F through a grating shows how display and camera stand, a
hologram whose point-spread function is an F shows how the SLM stands. The grids tell size and distortion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor

from calibration.rigs.simulated import simulate
from distill.export.frames import encode_frame
from networks.onbench.drive import Drive, encoded, panel_levels
from networks.onbench.masks import design_masks, fit_to_modulator
from optics.bench.geometry import camera_pixel
from optics.bench.spec import BenchSpec
from optics.checks import SpecError
from optics.conventions import abs2
from optics.files import image_bytes
from optics.fourf.camera_window import CameraWindow
from optics.fourf.illumination import Illumination, panels
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.slm.panel import SLM
from optics.slm.response import ResponseSpec
from optics.spec import Validated

_GLYPH = ("###", "#..", "##.", "#..", "#..")
_DARK = 0.01  # counts above black that are worth showing
_UNMODULATED = ("blank", "flat")  # frames whose image stays at the zero order


class LabEntry(Validated):
    """One pair to show, and what the camera should see.

    what: in words. slm, display, camera: files. first: (row, column) of the picture's first pixel on the sensor's raw
    frame, in its own pixels. binning: sensor pixels per side that are one pixel of the picture. black, white: counts
    of a binned pixel at grey value 0 and 255; what is brighter, as a zero order can be, is 255 too.
    """

    what: str
    slm: str
    display: str
    camera: str
    first: tuple[int, int]
    binning: int = Field(ge=1)
    black: float
    white: float


@dataclass(frozen=True)
class _Panel:
    """The bench as its frames are designed for it: one channel, one mask a frame, the main wavelength."""

    fourf: FourF
    slm: SLM

    @property
    def bench(self) -> BenchSpec:
        """What the bench is."""
        return self.fourf.bench


@dataclass(frozen=True)
class _Scene:
    """The part of the sensor that is simulated, in the bench's own light."""

    fourf: FourF
    slm: SLM
    recorder: Recorder


def lab_files(
    bench: BenchSpec,
    image_shape: tuple[int, int],
    *,
    assumed_response: ResponseSpec | None = None,
    correct: Callable[[Tensor], Tensor] = lambda levels: levels,
) -> tuple[dict[str, bytes], tuple[LabEntry, ...]]:
    """The files of `lab/` by name, and what belongs together.

    Args:
        bench: the bench; of several stages, one.
        image_shape: (H, W) of one channel of the images: the pictures' size, whose middle is on the axis.
        assumed_response: response that levels are computed with; None is the bench's `slm.assumed`.
        correct: adds the panel's correction to levels.
    """
    fourf = FourF(bench, CameraWindow(image_shape))
    slm = SLM(bench.slm, region=(fourf.rows, fourf.cols), assumed=assumed_response)
    panel = _Panel(fourf, slm)
    with torch.no_grad():
        frames = _panel_frames(panel)
        shown = display_pictures(image_shape)
        files = {
            f"lab/slm-{name}.png": encode_frame(
                correct(frame),
                bench.slm.bits or 8,
                frame_format=bench.slm.frame_format,
                mount=bench.mounting.slm,
            )
            for name, frame in frames.items()
        }
        for name, picture in shown.items():
            grey = (bench.mounting.display.to_picture(picture) * 255).round().to(torch.uint8)
            files[f"lab/display-{name}.png"] = image_bytes(grey.numpy())
        scene, image = _scene(panel, image_shape), Recorder(bench, fourf.view)
        entries = []
        for title, slm_name, display, camera in PAIRS:
            counts = _counts(scene, frames[slm_name], shown[display])
            files[f"lab/camera-{camera}.png"], entry = _seen(
                bench, scene.recorder, counts, None if slm_name in _UNMODULATED else image
            )
            names = {"slm": f"lab/slm-{slm_name}.png", "display": f"lab/display-{display}.png"}
            entries.append(LabEntry(what=title, camera=f"lab/camera-{camera}.png", **names, **entry))
    return files, tuple(entries)


PAIRS = (
    ("dark frame: the display black", "blank", "black", "dark"),
    ("F on the display, blank panel: the image at the zero order", "blank", "f", "blank"),
    ("F on the display, every SLM pixel at one level: as before", "flat", "f", "flat"),
    (
        "F on the display through the grating: the image moves to the signal order",
        "grating",
        "f",
        "display-f",
    ),
    ("grid on the display through the grating: size and distortion", "grating", "grid", "display-grid"),
    (
        "a point on the display, a hologram of an F on the SLM: which way up the SLM stands",
        "f",
        "point",
        "slm-f",
    ),
    ("a point on the display, a hologram of a grid on the SLM: its scale", "grid", "point", "slm-grid"),
)
"""What to show, in this order: in words, SLM frame, display picture, camera picture."""


def glyph(shape: tuple[int, int]) -> Tensor:
    """An F as large as three fifths of an area of `shape`, (rows, columns) of 0 and 1."""
    small = torch.tensor([[float(c == "#") for c in row] for row in _GLYPH])
    times = max(1, min(3 * shape[0] // (5 * len(_GLYPH)), 3 * shape[1] // (5 * len(_GLYPH[0]))))
    return torch.kron(small, torch.ones(times, times))


def grid(shape: tuple[int, int]) -> tuple[Tensor, int]:
    """Points at equal steps around the middle of `shape`, two at the upper left left out; and the step, pixels."""
    step = max(2, min(shape) // 6)
    points = torch.zeros(shape)
    rows, cols = (
        [i for i in range(n) if (i - n // 2) % step == 0 and abs(i - n // 2) <= 2 * step] for n in shape
    )
    for i in rows:
        for j in cols:
            points[i, j] = 1.0
    points[rows[0], cols[0]] = points[rows[0], cols[1]] = 0.0  # side by side: no turn or mirror leaves that
    return points, step


def display_pictures(shape: tuple[int, int]) -> dict[str, Tensor]:
    """Amplitudes (H, W) in [0, 1] by name: black, f, grid, point."""
    point = torch.zeros(shape)
    point[shape[0] // 2, shape[1] // 2] = 1.0
    return {
        "black": torch.zeros(shape),
        "f": _centred(glyph(shape), shape),
        "grid": grid(shape)[0],
        "point": point,
    }


def _centred(picture: Tensor, shape: tuple[int, int]) -> Tensor:
    out = torch.zeros(shape)
    top, left = ((n - m) // 2 for n, m in zip(shape, picture.shape, strict=True))
    out[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return out


# ---------------------------------------------------------------------- the panel


def _panel_frames(panel: _Panel) -> dict[str, Tensor]:
    """Levels (NY, NX) by name."""
    fourf, spec = panel.fourf, panel.slm.spec
    clear = torch.ones_like(fourf.pupil)[None]
    blank = torch.zeros(spec.shape, dtype=torch.int32)
    shape = fourf.image_shape
    return {
        "blank": blank,
        "flat": torch.full_like(blank, 2 ** ((spec.bits or 1) - 1)),
        "grating": _levels(panel, clear),
        "f": _levels(panel, _hologram(fourf, glyph(shape))),
        "grid": _levels(panel, _hologram(fourf, grid(shape)[0])),
    }


def _hologram(fourf: FourF, picture: Tensor) -> Tensor:
    """The mask (1, ny, nx) whose point-spread function is `picture`; random phases of its points spread the light."""
    generator = torch.Generator().manual_seed(0)
    turns = torch.rand(picture.shape, generator=generator, dtype=torch.float64)
    odd = [n + 1 - n % 2 for n in picture.shape]
    kernel = torch.zeros(1, 1, *odd, dtype=torch.complex128)
    kernel[0, 0, : picture.shape[0], : picture.shape[1]] = picture * torch.exp(2j * torch.pi * turns)
    masks = design_masks(fourf, kernel.to(fourf.pupil.dtype))
    return fit_to_modulator(masks, fourf.pupil.abs() > 0)[0]


def _levels(panel: _Panel, masks: Tensor) -> Tensor:
    asked = encoded(panel.bench, masks, panel.fourf)
    return panel_levels(panel.slm, Drive(asked, torch.ones(len(masks))), panel.fourf)[0]


# ---------------------------------------------------------------------- the camera


def _scene(panel: _Panel, image_shape: tuple[int, int]) -> _Scene:
    """The whole sensor, so that the zero order is seen too; where the lenses do not pass that, the image's window."""
    bench = panel.bench
    edge = -(-2 * bench.input.pitch // camera_pixel(bench))  # the window is whole input pixels
    region = [slice(int(edge), int(n - edge)) for n in bench.camera.binned_shape]
    try:
        fourf, recorder = simulate(bench, image_shape, (region[0], region[1]))
    except SpecError:
        return _Scene(panel.fourf, panel.slm, Recorder(bench, panel.fourf.view))
    return _Scene(fourf, SLM(bench.slm, region=(fourf.rows, fourf.cols)), recorder)


def _counts(scene: _Scene, levels: Tensor, picture: Tensor) -> Tensor:
    """Mean counts (cy, cx) of a panel frame and a display picture, without a reference beam."""
    fourf, bench, total = scene.fourf, scene.fourf.bench, torch.zeros(())
    lit = levels[None, fourf.rows, fourf.cols]
    simple = bench.light.simple
    under = None if simple else Illumination(bench, fourf.view)
    devices = [scene.slm] if simple else panels(bench, (fourf.rows, fourf.cols))
    for ripple, weight in scene.slm.states:
        shown = [device.of_levels(lit, ripple=ripple) for device in devices]
        seen = under(picture[None], shown) if under else abs2(fourf.wave(picture[None], shown[0]))
        total = total + weight * seen[0, 0]
    return scene.recorder.expose(total)


def _seen(
    bench: BenchSpec, recorder: Recorder, counts: Tensor, image: Recorder | None
) -> tuple[bytes, dict[str, object]]:
    """The picture of the raw frame, and where it lies on the sensor; an `image` at the signal order sets white."""
    camera, n = bench.camera, bench.camera.binning
    above = (counts - camera.black).clamp(min=0)
    brightest = above
    if image is not None:
        inside = [
            slice(max(0, i.start - r.start), i.stop - r.start)
            for i, r in zip(image.region, recorder.region, strict=True)
        ]
        brightest = above[inside[0], inside[1]]
    white = max(float(brightest.max()), _DARK)
    picture = bench.mounting.camera.to_picture(above)
    grey = (picture * (255 / white)).clamp(max=255).round().to(torch.uint8)
    rows, cols = (slice(part.start * n, part.stop * n) for part in recorder.region)
    region = bench.mounting.camera.region((rows, cols), camera.shape)
    first = (region[0].start, region[1].start)
    found = {"first": first, "binning": n, "black": camera.black, "white": camera.black + white}
    return image_bytes(grey.numpy()), found
