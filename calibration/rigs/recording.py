"""What was shown to a bench and what its camera saw: values that are kept, saved and read again.

Levels and frames are windows of the panel and of the binned sensor: a corner says where their first pixel lies. Outside
its window the panel stands at level 0.
All are planes, upright (`optics.conventions`), however the devices are mounted; `calibration.rigs.mounted` leads to
their pictures.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, ShapeError, check_finite

Corner = tuple[int, int]
_NO_TIMES: tuple[float, ...] = ()


class RigError(OpticsError):
    """A bench that does not do what it was asked, or a recording of one that cannot be."""


@dataclass(frozen=True)
class Probes:
    """Pairs of what the panel and the display show.

    levels: (n, ly, lx) integer levels on a window of the panel. inputs: (n, H, W) amplitudes in [0, 1] on the display.
    corner: (row, column) of the window's first pixel on the panel.

    Raises:
        ShapeError: the numbers of levels and inputs differ, or they are not planes.
        RigError: levels that are no integers or negative, amplitudes outside [0, 1], a corner off the panel.
    """

    levels: Tensor
    inputs: Tensor
    corner: Corner = (0, 0)

    def __post_init__(self) -> None:
        """Refuse what cannot be shown."""
        if self.levels.ndim != 3 or self.inputs.ndim != 3 or len(self.levels) != len(self.inputs):
            raise ShapeError(
                f"probes have levels {tuple(self.levels.shape)} and inputs {tuple(self.inputs.shape)}, expected "
                "(n, ly, lx) and (n, H, W): one input for each frame of levels."
            )
        if not len(self.levels):
            raise RigError("probes hold no frame; give one pair of levels and input at least.")
        if self.levels.is_floating_point() or self.levels.is_complex() or int(self.levels.min()) < 0:
            raise RigError(f"probes have levels of {self.levels.dtype}, expected integers from 0.")
        if min(self.corner) < 0:
            raise RigError(f"probes begin at {self.corner} on the panel, expected (row, column) from 0.")
        check_finite(self.inputs, name="inputs")
        low, high = float(self.inputs.min()), float(self.inputs.max())
        if low < 0 or high > 1 + 1e-6:
            raise RigError(f"inputs go from {low:.3g} to {high:.3g}, expected amplitudes from 0 to 1.")

    def __len__(self) -> int:
        """How many pairs."""
        return len(self.levels)

    def __getitem__(self, which: Sequence[int] | slice) -> Probes:
        """Some of the pairs."""
        index = which if isinstance(which, slice) else list(which)
        return Probes(self.levels[index], self.inputs[index], self.corner)

    @property
    def image_shape(self) -> tuple[int, int]:
        """(H, W) of the inputs."""
        return (self.inputs.shape[-2], self.inputs.shape[-1])

    def check(self, bench: BenchSpec) -> None:
        """Raise RigError unless the bench's panel can show the levels."""
        spec = bench.slm
        if spec.bits is None or spec.modulation == "complex":
            raise RigError(
                f"bench {bench.name!r}: its panel has no levels (bits {spec.bits}, modulation {spec.modulation!r}); "
                'set slm.bits and slm.modulation, for instance 8 and "phase".'
            )
        for k in (0, 1):
            end = self.corner[k] + self.levels.shape[1 + k]
            if end > spec.shape[k]:
                raise RigError(
                    f"levels reach {'row' if k == 0 else 'column'} {end} of a panel of {spec.shape[k]}: another panel? "
                    "Check slm.shape and the levels' corner."
                )
        if int(self.levels.max()) >= 2**spec.bits:
            raise RigError(
                f"levels reach {int(self.levels.max())}, {spec.bits} bits end at {2**spec.bits - 1}: check slm.bits."
            )

    def on_panel(self, rows: slice, cols: slice) -> Tensor:
        """Levels (n, rows, cols) int32 of a region of the panel; 0 outside the probes' window."""
        out = torch.zeros(len(self), rows.stop - rows.start, cols.stop - cols.start, dtype=torch.int32)
        inside, outside = [], []
        for part, corner, n in zip((rows, cols), self.corner, self.levels.shape[1:], strict=True):
            low, high = max(part.start, corner), min(part.stop, corner + n)
            inside.append(slice(low - corner, max(low, high) - corner))
            outside.append(slice(low - part.start, max(low, high) - part.start))
        out[:, outside[0], outside[1]] = self.levels[:, inside[0], inside[1]].to(torch.int32)
        return out

    def digest(self, index: int) -> str:
        """A name for what one pair shows, wherever its window lies: SHA-256 of the lit levels and the input."""
        levels = self.levels[index].to(torch.int32)
        lit = levels.nonzero()
        corner = (0, 0)
        if len(lit):
            low, high = lit.amin(0).tolist(), (lit.amax(0) + 1).tolist()
            levels = levels[low[0] : high[0], low[1] : high[1]].contiguous()
            corner = (self.corner[0] + low[0], self.corner[1] + low[1])
        else:
            levels = levels[:0, :0]
        found = hashlib.sha256(repr((corner, tuple(levels.shape), self.image_shape)).encode())
        found.update(levels.numpy().tobytes())
        found.update((self.inputs[index].double() * 65535).round().to(torch.int32).numpy().tobytes())
        return found.hexdigest()


@dataclass(frozen=True)
class Recording:
    """Probes and the frames that a camera took of them.

    counts: (n, cy, cx) on a window of the binned sensor. corner: (row, column) of the window's first pixel there.
    binning: sensor pixels per side that were summed into one count. exposure: seconds. times: when each frame was
    taken, seconds from the first; empty where nobody knows. bench: name of the bench.

    Raises:
        ShapeError: not one frame a probe.
        RigError: a binning or exposure that is not positive, counts that are not finite.
    """

    probes: Probes
    counts: Tensor
    corner: Corner
    binning: int = 1
    exposure: float = 1e-2
    times: tuple[float, ...] = field(default=_NO_TIMES)
    bench: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot have been captured."""
        if self.counts.ndim != 3 or len(self.counts) != len(self.probes):
            raise ShapeError(
                f"a recording has counts {tuple(self.counts.shape)} for {len(self.probes)} probes, expected "
                "(n, cy, cx), one frame a probe."
            )
        if self.binning < 1 or not 0 < self.exposure < math.inf or min(self.corner) < 0:
            raise RigError(
                f"a recording has binning {self.binning}, exposure {self.exposure:g} s, corner {self.corner}; expected "
                "1 or more, a positive time, and (row, column) from 0."
            )
        if self.times and len(self.times) != len(self.probes):
            raise RigError(f"a recording has {len(self.times)} times for {len(self.probes)} frames.")
        check_finite(self.counts, name="counts")
        if not all(map(math.isfinite, self.times)):
            raise RigError("a recording has times that are not finite; expected seconds.")

    def __len__(self) -> int:
        """How many frames."""
        return len(self.probes)

    def __getitem__(self, which: Sequence[int] | slice) -> Recording:
        """Some of the frames."""
        index = which if isinstance(which, slice) else list(which)
        times = tuple(torch.tensor(self.times, dtype=torch.float64)[index].tolist()) if self.times else ()
        return replace(self, probes=self.probes[which], counts=self.counts[index], times=times)

    @property
    def region(self) -> tuple[slice, slice]:
        """Rows and columns of the binned sensor that the frames hold."""
        (r, c), (h, w) = self.corner, self.counts.shape[1:]
        return slice(r, r + h), slice(c, c + w)

    def binned(self, binning: int) -> Recording:
        """The same frames summed to `binning` sensor pixels per side.

        Raises:
            RigError: the frames are coarser than that, or do not divide.
        """
        if binning == self.binning:
            return self
        n, rest = divmod(binning, self.binning)
        if rest or n < 1:
            raise RigError(
                f"frames are binned {self.binning} x {self.binning}, the bench {binning} x {binning}: set "
                "camera.binning to the frames' own or to a multiple of it."
            )
        skip = [-c % n for c in self.corner]
        h, w = ((size - s) // n for size, s in zip(self.counts.shape[1:], skip, strict=True))
        if h < 1 or w < 1:
            raise RigError(f"frames of {tuple(self.counts.shape[1:])} are too small for bins of {n} x {n}.")
        part = self.counts[:, skip[0] : skip[0] + h * n, skip[1] : skip[1] + w * n]
        counts = part.reshape(len(part), h, n, w, n).sum((2, 4))
        corner = ((self.corner[0] + skip[0]) // n, (self.corner[1] + skip[1]) // n)
        return replace(self, counts=counts, corner=corner, binning=binning)

    def joined(self, other: Recording) -> Recording:
        """These frames, then the other's, of the same windows.

        Raises:
            RigError: other windows, binning or exposure.
        """
        same = (
            self.corner == other.corner
            and self.counts.shape[1:] == other.counts.shape[1:]
            and self.probes.corner == other.probes.corner
            and self.probes.levels.shape[1:] == other.probes.levels.shape[1:]
            and self.probes.image_shape == other.probes.image_shape
            and (self.binning, self.exposure) == (other.binning, other.exposure)
        )
        if not same:
            raise RigError("two recordings of different windows, binning or exposure cannot be joined.")
        probes = Probes(
            torch.cat((self.probes.levels, other.probes.levels)),
            torch.cat((self.probes.inputs, other.probes.inputs)),
            self.probes.corner,
        )
        times = (*self.times, *other.times) if self.times and other.times else ()
        return replace(self, probes=probes, counts=torch.cat((self.counts, other.counts)), times=times)
