"""Real devices through slmsuite (0.5 or later; `pip install 'spectral-cascade[slmsuite]'`), and its simulated ones.

slmsuite drives one panel and one camera. A display, where the bench has one, is a function of the user's own; without
one the panel is lit by a plane wave, which is one bright pixel in the middle of a display that has almost none of its
area bright (`input.fill_factor`), and only that picture can be asked for. Levels go to the panel as they are: the table
of the response that slmsuite may hold is not applied. Sources: slmsuite.readthedocs.io, `SLM.set_phase` and
`Camera.get_image`.
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
_TABLES = ("slm", "camera", "affine")


class SlmsuiteDriver:
    """A panel and a camera of slmsuite.

    Args:
        slm: an `slmsuite.hardware.slms.slm.SLM`.
        camera: an `slmsuite.hardware.cameras.camera.Camera`, unbinned.
        bench: the bench's data sheet, for the panel's size and the binning, which is done here.
        display: puts amplitudes (H, W) in [0, 1] on a display; None: there is none.
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
        settle = float(getattr(slm, "settle_time_s", 0.0) or 0.0)
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
        """The picture, by the user's function; without one, only one bright pixel in the middle."""
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
        """Let go of both devices."""
        for device in (self.camera, self.slm):
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
        [affine]                                # of slmsuite's simulated camera alone: `set_affine`
        f_eff = 5e4

    Raises:
        RigError: no slmsuite, no such class, or a device that does not open.
    """
    table, _ = parse(Path(path))
    if set(table) - set(_TABLES) or not {"slm", "camera"} <= set(table):
        raise RigError(f"{path}: expected the tables [slm] and [camera], and [affine] for simulated ones.")
    slm = _device(path, "slm", table["slm"])
    more = {"slm": slm} if str(table["camera"].get("class", "")).startswith("simulated.") else {}
    camera = _device(path, "camera", table["camera"], **more)
    if "affine" in table:
        camera.set_affine(**table["affine"])
    return slmsuite_rig(slm, camera, nominal)


def _device(path: str | Path, kind: str, table: Any, **more: Any) -> Any:
    """A device of slmsuite by its class's name inside slmsuite; nothing else is imported."""
    name = table.get("class") if isinstance(table, dict) else None
    if not isinstance(name, str) or not _CLASS.fullmatch(name):
        raise RigError(
            f'{path}: {kind}.class is {quoted(name)}, expected a class as "simulated.SimulatedSLM".'
        )
    module, _, cls = name.partition(".")
    folder = "slms" if kind == "slm" else "cameras"
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
