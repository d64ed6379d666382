"""Real devices through slmsuite (0.5 or later; `pip install 'spectral-cascade[slmsuite]'`), and its simulated ones.

slmsuite drives one panel and one camera. A display, where the bench has one, is another screen or panel of slmsuite's
(`Screen`), or a function of the user's own; without one the panel is lit by a plane wave, which is one bright pixel in
the middle of a display that has almost none of its area bright (`input.fill_factor`), and only that picture can be
asked for. Levels go to the panel as they are: the table of the response that slmsuite may hold is not applied. Sources:
slmsuite.readthedocs.io, `SLM.set_phase` and `Camera.get_image`.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from calibration.rigs.recording import Corner, RigError
from calibration.rigs.rig import Abilities, Region, Rig
from optics.bench.spec import BenchSpec
from optics.reading import quoted
from optics.toml_errors import parse

Display = Callable[[np.ndarray[Any, Any]], None]
_CLASS = re.compile(r"[a-z_][a-z0-9_]*\.[A-Za-z][A-Za-z0-9_]*")
_TABLES = ("slm", "camera", "display", "affine")
_SHOWN = ("gamma", "pixels", "corner")  # keys of [display] that are not its class's


class Screen:
    """A display: a second screen or panel of slmsuite's, driven by grey values.

    Args:
        device: an `slmsuite.hardware.slms.slm.SLM`, such as `screenmirrored.ScreenMirrored`.
        gamma: the display's own: its intensity goes with that power of the grey value, and grey values undo it. None:
            grey values are amplitudes, and the bench file's `input.gamma` says what comes of them.
        pixels: a side, of the display, for one of the image.
        corner: row and column of the image's first pixel; None: the image's middle pixel (n // 2) stands
            on the display's.

    Raises:
        RigError: a gamma, a number of pixels or a corner that cannot be.
    """

    def __init__(
        self, device: Any, *, gamma: float | None = None, pixels: int = 1, corner: Corner | None = None
    ) -> None:
        if gamma is not None and not 0.2 <= gamma <= 5:
            raise RigError(f"display.gamma is {gamma:g}, expected 0.2 to 5 (2.2 is usual).")
        if pixels < 1:
            raise RigError(f"display.pixels is {pixels}, expected 1 or more a side of an image pixel.")
        self.device, self.gamma, self.pixels, self.corner = device, gamma, pixels, corner

    def __call__(self, amplitudes: np.ndarray[Any, Any]) -> None:
        """Show amplitudes (H, W) in [0, 1], row 0 first; dark elsewhere.

        Raises:
            RigError: the image does not fit the display, or the display does not take it.
        """
        device = self.device
        shape = tuple(int(n) for n in device.shape)
        grey = amplitudes if self.gamma is None else amplitudes ** (2 / self.gamma)
        image = np.rint(grey * (2**device.bitdepth - 1)).repeat(self.pixels, 0).repeat(self.pixels, 1)
        (h, w), picture = image.shape, np.zeros(shape, dtype=device.dtype)
        r, c = self.corner or tuple(
            whole // 2 - n // 2 * self.pixels - self.pixels // 2
            for whole, n in zip(shape, amplitudes.shape, strict=True)
        )
        if min(r, c) < 0 or r + h > shape[0] or c + w > shape[1]:
            raise RigError(
                f"an image of {h} x {w} display pixels at row {r}, column {c} leaves the display of "
                f"{shape[0]} x {shape[1]}: check display.pixels and display.corner."
            )
        picture[r : r + h, c : c + w] = image
        try:
            device.set_phase(picture, phase_correct=False, settle=False)
        except Exception as error:
            raise RigError(f"the display did not take the picture: {error}") from error


class SlmsuiteDriver:
    """A panel and a camera of slmsuite.

    Args:
        slm: an `slmsuite.hardware.slms.slm.SLM`.
        camera: an `slmsuite.hardware.cameras.camera.Camera`, unbinned.
        bench: the bench's data sheet, for the panel's size and the binning, which is done here.
        display: puts amplitudes (H, W) in [0, 1] on a display, a `Screen` or your own function; None: there is none.
    """

    def __init__(self, slm: Any, camera: Any, bench: BenchSpec, display: Display | None = None) -> None:
        self.slm, self.camera, self._put = slm, camera, display
        self.binning = bench.camera.binning
        mounting = bench.mounting
        for name, device, told in (
            ("slm", slm.shape, mounting.slm.size(bench.slm.shape)),
            ("camera", camera.shape, mounting.camera.size(bench.camera.shape)),
        ):
            if tuple(int(n) for n in device) != tuple(told):
                raise RigError(
                    f"wrong panel or camera? The {name} that slmsuite drives has {tuple(map(int, device))} pixels, the "
                    f"bench file says {tuple(told)} as it is mounted: check {name}.shape and mounting."
                )
        low, high = getattr(camera, "exposure_bounds_s", None) or (1e-6, 100.0)
        shown = display.device if isinstance(display, Screen) else None
        settle = max(float(getattr(device, "settle_time_s", 0.0) or 0.0) for device in (slm, shown))
        simulated = type(slm).__module__.endswith(".simulated")
        self.abilities = Abilities(
            display=display is not None,
            exposures=(float(low), float(high)),
            settling=settle,
            simulated=simulated,
        )

    def show(self, levels: Tensor, corner: Corner) -> None:
        """Levels on the panel, 0 elsewhere."""
        whole = np.zeros(tuple(int(n) for n in self.slm.shape), dtype=self.slm.dtype)
        (r, c), (h, w) = corner, levels.shape
        whole[r : r + h, c : c + w] = levels.numpy()
        try:
            self.slm.set_phase(whole, phase_correct=False, settle=False)
        except Exception as error:
            raise RigError(f"the panel did not take the frame: {error}") from error

    def display(self, amplitudes: Tensor) -> None:
        """The picture, by the display's function; without one, only one bright pixel in the middle."""
        if self._put is not None:
            self._put(amplitudes.numpy())
            return
        middle = torch.zeros_like(amplitudes)
        middle[amplitudes.shape[0] // 2, amplitudes.shape[1] // 2] = 1.0
        if not torch.equal(amplitudes, middle):
            raise RigError(
                "this bench has no display: it can show one bright pixel in the middle and nothing else."
            )

    def expose(self, seconds: float, region: Region, timeout: float) -> Tensor | None:
        """One exposure, binned here; None where the camera gave no picture."""
        try:
            if float(self.camera.get_exposure()) != seconds:
                self.camera.set_exposure(seconds)
            picture = self.camera.get_image(timeout_s=timeout)
        except TimeoutError:
            raise
        except Exception as error:
            raise RigError(f"the camera gave no picture: {error}") from error
        if picture is None:
            return None
        counts = torch.from_numpy(np.asarray(picture, dtype=np.float64))
        n = self.binning
        h, w = (size // n for size in counts.shape)
        binned = counts[: h * n, : w * n].reshape(h, n, w, n).sum((1, 3))
        return binned[region[0], region[1]]

    def flat_field(self, photons: float, seconds: float) -> Tensor:
        """Nothing: slmsuite knows no lamp."""
        raise RigError("slmsuite drives no lamp; measure radiometry with another rig.")

    def clock(self) -> float:
        """Seconds."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Let time pass; simulated devices settle at once."""
        if seconds > 0 and not self.abilities.simulated:
            time.sleep(seconds)

    def close(self) -> None:
        """Let go of the devices."""
        shown = [self._put.device] if isinstance(self._put, Screen) else []
        for device in (self.camera, self.slm, *shown):
            device.close()


def slmsuite_rig(slm: Any, camera: Any, nominal: BenchSpec, display: Display | None = None) -> Rig:
    """A rig over devices that slmsuite drives; `nominal` is the bench's data sheet."""
    return Rig(SlmsuiteDriver(slm, camera, nominal, display), nominal)


def open_slmsuite(path: str | Path, nominal: BenchSpec) -> Rig:
    """A rig from a TOML file that names slmsuite's classes and what they are made with.

        [slm]
        class = "santec.Santec"                 # in slmsuite.hardware.slms
        slm_number = 1
        [camera]
        class = "flir.FLIR"                     # in slmsuite.hardware.cameras
        serial = "12345678"
        [display]                               # if there is one, also in slmsuite.hardware.slms; see `Screen`
        class = "screenmirrored.ScreenMirrored"
        display_number = 2
        gamma = 2.2
        [affine]                                # of slmsuite's simulated camera alone: `set_affine`
        f_eff = 5e4

    Raises:
        RigError: no slmsuite, no such class, or a device that does not open.
    """
    table, _ = parse(Path(path))
    if set(table) - set(_TABLES) or not {"slm", "camera"} <= set(table):
        raise RigError(
            f"{path}: expected the tables [slm] and [camera], [display] where there is one, and [affine] for simulated "
            "ones."
        )
    slm = _device(path, "slm", table["slm"])
    more = {"slm": slm} if str(table["camera"].get("class", "")).startswith("simulated.") else {}
    camera = _device(path, "camera", table["camera"], **more)
    if "affine" in table:
        camera.set_affine(**table["affine"])
    return slmsuite_rig(slm, camera, nominal, _screen(path, table["display"]) if "display" in table else None)


def _screen(path: str | Path, table: Any) -> Screen:
    """The display that [display] names."""
    table = table if isinstance(table, dict) else {}
    gamma, pixels, corner = table.get("gamma"), table.get("pixels", 1), table.get("corner")
    whole = [pixels, *(corner if isinstance(corner, list) else [0, 0] if corner is None else [corner])]
    if len(whole) != 3 or any(type(n) is not int for n in whole):
        raise RigError(
            f"{path}: expected display.pixels as a whole number and display.corner as [row, column]."
        )
    if gamma is not None and type(gamma) not in (int, float):
        raise RigError(f"{path}: display.gamma is {quoted(gamma)}, expected a number.")
    device = _device(path, "display", {k: v for k, v in table.items() if k not in _SHOWN})
    return Screen(device, gamma=gamma, pixels=pixels, corner=corner and (corner[0], corner[1]))


def _device(path: str | Path, kind: str, table: Any, **more: Any) -> Any:
    """A device of slmsuite by its class's name inside slmsuite; nothing else is imported."""
    name = table.get("class") if isinstance(table, dict) else None
    if not isinstance(name, str) or not _CLASS.fullmatch(name):
        raise RigError(
            f'{path}: {kind}.class is {quoted(name)}, expected a class as "simulated.SimulatedSLM".'
        )
    module, _, cls = name.partition(".")
    folder = "cameras" if kind == "camera" else "slms"
    try:
        found = getattr(importlib.import_module(f"slmsuite.hardware.{folder}.{module}"), cls)
    except ImportError as error:
        raise RigError(
            f"slmsuite's {name} cannot be loaded ({error}); pip install 'spectral-cascade[slmsuite]', and the device's "
            "own driver."
        ) from error
    except AttributeError:
        raise RigError(f"{path}: slmsuite.hardware.{folder}.{module} has no {cls}.") from None
    arguments = {k: v for k, v in table.items() if k != "class"}
    try:
        return found(**arguments, **more)
    except Exception as error:
        raise RigError(f"{path}: {name} did not open: {error}") from error
