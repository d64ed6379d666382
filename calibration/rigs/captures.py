"""Many images through few patterns: what a network's frames gave on a bench, for a back end that is fitted to them.

On disk it is a recording (`calibration.rigs.files`) whose patterns and images stand once, with an index for each frame,
and with the images' labels.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from calibration.rigs.files import ATTRIBUTES, SCHEMA, dataset, number, taken
from calibration.rigs.recording import Corner, Probes, RigError
from calibration.rigs.rig import Region, Resumable, Rig
from calibration.rigs.store import FrameStore
from optics.checks import ShapeError, check_finite
from optics.files import write_hdf5
from optics.reading import attribute, fixed, quoted, reading, regular_file

_BLOCK = 32  # images that are shown through one pattern before the panel changes
_NAMES = ("levels", "inputs", "counts", "times", "level_index", "input_index", "labels")


@dataclass(frozen=True)
class Captures:
    """Every image through every pattern.

    levels: (F, ly, lx) on a window of the panel that begins at `panel_corner`. inputs: (N, H, W) amplitudes in [0, 1];
    of images whose E channels are shown one by one (N E, H, W), an image's pictures one after another, where pattern
    `f` meets picture `f % E`. counts: (N, F, cy, cx) on a window of the binned sensor that begins at `corner`. labels:
    (N,), or (N, h, w) of pixels, or None. binning: sensor pixels per side in one count. exposure: seconds. times:
    (N, F) seconds from the first frame. bench: its name.

    Raises:
        ShapeError: not one frame for each image and pattern.
        RigError: counts that are not finite.
    """

    levels: Tensor
    inputs: Tensor
    counts: Tensor
    panel_corner: Corner
    corner: Corner
    binning: int
    exposure: float
    times: Tensor
    labels: Tensor | None = None
    bench: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot have been captured."""
        if self.levels.ndim != 3 or self.inputs.ndim != 3:
            raise ShapeError(
                f"captures have levels {tuple(self.levels.shape)} and inputs {tuple(self.inputs.shape)}, expected "
                "(patterns, y, x) and (images, y, x)."
            )
        n, f = len(self), len(self.levels)
        each = self.pictures
        if not n or each * n != len(self.inputs) or not each or f % each:
            raise ShapeError(
                f"captures of {n} images and {f} patterns have {len(self.inputs)} inputs, expected one for each image, "
                "or as many for each as divide the patterns."
            )
        whole = (n, f)
        if self.counts.ndim != 4 or self.counts.shape[:2] != whole or self.times.shape != whole:
            raise ShapeError(
                f"captures have counts {tuple(self.counts.shape)} and times {tuple(self.times.shape)}, expected "
                f"{whole} for {whole[0]} images and {whole[1]} patterns, then (cy, cx) of the counts."
            )
        if self.labels is not None and (self.labels.ndim not in (1, 3) or len(self.labels) != n):
            raise ShapeError(
                f"captures of {n} images have labels {tuple(self.labels.shape)}, expected ({n},), or ({n}, h, w) of "
                "pixels."
            )
        for name in ("counts", "inputs", "times"):
            check_finite(getattr(self, name), name=name)
        if self.inputs.numel() and not 0 <= float(self.inputs.min()) <= float(self.inputs.max()) <= 1:
            raise RigError("inputs of captures lie outside of 0..1, expected amplitudes.")
        if not (self.exposure > 0 and math.isfinite(self.exposure) and self.binning >= 1):
            raise RigError(
                f"captures of exposure {self.exposure:g} s, binning {self.binning}; expected positive ones."
            )
        if self.levels.numel() and int(self.levels.min()) < 0:
            raise RigError("captures hold a negative level.")

    def __len__(self) -> int:
        """How many images."""
        return len(self.counts)

    @property
    def pictures(self) -> int:
        """Pictures of each image on the display: more than one where its channels are shown one by one."""
        return len(self.inputs) // max(1, len(self))

    @property
    def region(self) -> Region:
        """Rows and columns of the binned sensor that the frames hold."""
        (r, c), (h, w) = self.corner, self.counts.shape[2:]
        return slice(r, r + h), slice(c, c + w)

    def digest(self) -> str:
        """A name for what was captured: SHA-256 of levels, images, counts and labels."""
        found = hashlib.sha256(repr((self.panel_corner, self.corner, self.binning, self.exposure)).encode())
        for part in (self.levels, self.inputs, self.counts, self.labels):
            if part is not None:
                found.update(part.contiguous().numpy().tobytes())
        return found.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write them as HDF5 (docs/calibration.md lists the keys); `load_recording` reads the same file."""
        n, f = self.counts.shape[:2]
        told: dict[str, Any] = {
            "schema": fixed(SCHEMA),
            "bench": fixed(self.bench),
            "binning": self.binning,
            "exposure": self.exposure,
            "panel_corner": self.panel_corner,
            "sensor_corner": self.corner,
        }
        arrays: dict[str, Any] = {
            "levels": self.levels.numpy().astype(np.uint16),
            "inputs": self.inputs.numpy().astype(np.float32),
            "counts": self.counts.flatten(0, 1).numpy().astype(np.float32),
            "times": self.times.flatten().numpy().astype(np.float64),
            "level_index": np.tile(np.arange(f, dtype=np.int32), n),
            "input_index": _pictures_met(n, f, self.pictures).astype(np.int32),
        }
        if self.labels is not None:
            arrays["labels"] = self.labels.numpy().astype(np.int64)
        write_hdf5(path, {name: (array, {}) for name, array in arrays.items()}, told)


def _pictures_met(images: int, patterns: int, each: int) -> Any:
    """Which picture on the display belongs to every frame, (images patterns,) int64; `each`: pictures of an image."""
    image, pattern = np.divmod(np.arange(images * patterns), patterns)
    return image * each + pattern % max(1, each)


def load_captures(path: str | Path) -> Captures:
    """Captures from the file that `Captures.save` wrote.

    Raises:
        RigError: no such file, or an ordinary recording, which has no image for every pattern.
    """
    with reading(path, "captures"), h5py.File(regular_file(Path(path)), "r") as file:
        schema, bench = (attribute(Path(path), file, name) for name in ("schema", "bench"))
        if schema != (SCHEMA,) or "level_index" not in file or "input_index" not in file:
            raise RigError(
                f"{path} holds no captures (schema {quoted(schema and schema[0])}); `sclc capture` writes them."
            )
        found = {name: dataset(file, name, str(path)) for name in _NAMES if name != "labels" or name in file}
        told = {name: number(file, name, str(path)) for name in ATTRIBUTES}
        f = max(1, len(found["levels"]))
        n = len(found["counts"]) // f
        order = _pictures_met(n, f, len(found["inputs"]) // max(1, n)), np.tile(np.arange(f), n)
        for name, k, values in (("input_index", 0, found["inputs"]), ("level_index", 1, found["levels"])):
            taken(values[:, :1, :1], found[name], f"{path}: {name}")
            if not np.array_equal(found[name], order[k]):
                raise RigError(f"{path}: {name} does not show every pattern for each image in turn.")
        panel, corner = (tuple(int(v) for v in told[key]) for key in ("panel_corner", "sensor_corner"))
        labels = found.get("labels")
        return Captures(
            levels=torch.from_numpy(found["levels"].astype(np.int32)),
            inputs=torch.from_numpy(found["inputs"].astype(np.float32)),
            counts=torch.from_numpy(found["counts"].astype(np.float32)).unflatten(0, (n, f)),
            panel_corner=(panel[0], panel[1]),
            corner=(corner[0], corner[1]),
            binning=int(told["binning"]),
            exposure=float(told["exposure"]),
            times=torch.from_numpy(found["times"].astype(np.float64)).reshape(n, f),
            labels=None if labels is None else torch.from_numpy(labels.astype(np.int64)),
            bench=bench[0] if bench else "",
        )


def capture_images(
    rig: Rig,
    levels: Tensor,
    inputs: Tensor,
    *,
    region: Region,
    panel_corner: Corner = (0, 0),
    exposure: float | None = None,
    labels: Tensor | None = None,
    pictures: int = 1,
    store: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Captures:
    """Show every image through every pattern, 32 images for each change of the panel.

    Args:
        rig: the bench.
        levels: (F, ly, lx) integers, on the panel at `panel_corner`.
        inputs: (N, H, W) amplitudes in [0, 1]; or (N pictures, H, W), see `Captures`.
        region: rows and columns of the binned sensor that are read.
        panel_corner: (row, column) of the levels' first pixel.
        exposure: seconds; None: the camera's own.
        labels: (N,) of the images, or (N, h, w) of their pixels.
        pictures: of each image on the display, one after another.
        store: folder that keeps frames as they are taken; the same call goes on with them.
        progress: told (frames done, frames in all).

    Raises:
        RigError: the bench cannot do it, or a frame did not come; what was taken is in the store.
    """
    seconds = rig.camera.exposure if exposure is None else exposure
    n, f = len(inputs) // pictures, len(levels)
    order = [
        (i, k)
        for block in range(0, n, _BLOCK)
        for k in range(f)
        for i in range(block, min(n, block + _BLOCK))
    ]
    kept = (
        FrameStore(store, _request(levels, inputs, panel_corner, region, seconds, pictures))
        if store is not None
        else None
    )
    frames: list[Tensor] = list(kept.counts) if kept else []
    times: list[float] = list(kept.times) if kept else []
    if kept and len(kept) and isinstance(rig.driver, Resumable):
        rig.driver.go_on(kept.state)
    rig.check(
        Probes(levels, inputs[:1].expand(f, -1, -1).double(), panel_corner), region=region, exposure=seconds
    )
    try:
        for done in range(len(frames), n * f):
            i, k = order[done]
            shown = i * pictures + k % pictures
            probe = Probes(levels[k : k + 1], inputs[shown : shown + 1].double(), panel_corner)
            frame, at = rig.take(probe, 0, region=region, exposure=seconds)
            frames.append(frame.float())
            times.append(at)
            if kept is not None:
                state = rig.driver.state() if isinstance(rig.driver, Resumable) else kept.state
                kept.add(frames[-1], at, state)
            if progress is not None:
                progress(done + 1, n * f)
    except RigError as error:
        where = (
            f"; {len(frames)} of {n * f} frames are in {kept.folder}, the same command goes on"
            if kept
            else ""
        )
        raise RigError(f"{str(error).removesuffix('.')}{where}.") from error
    finally:
        if kept is not None:
            kept.flush()
    place = torch.tensor([i * f + k for i, k in order]).argsort()
    return Captures(
        levels=levels.to(torch.int32),
        inputs=inputs.float(),
        counts=torch.stack(frames)[place].unflatten(0, (n, f)),
        panel_corner=panel_corner,
        corner=(region[0].start, region[1].start),
        binning=rig.camera.binning,
        exposure=seconds,
        times=(torch.tensor(times, dtype=torch.float64)[place] - times[0]).reshape(n, f),
        labels=labels,
        bench=rig.nominal.name,
    )


def _request(
    levels: Tensor, inputs: Tensor, corner: Corner, region: Region, seconds: float, pictures: int
) -> str:
    """Digest of what is asked for."""
    told: tuple[Any, ...] = (tuple(levels.shape), tuple(inputs.shape), corner, str(region), seconds)
    found = hashlib.sha256(repr(told if pictures == 1 else (*told, pictures)).encode())
    found.update(levels.to(torch.int32).contiguous().numpy().tobytes())
    found.update((inputs.double() * 65535).round().to(torch.int32).contiguous().numpy().tobytes())
    return found.hexdigest()
