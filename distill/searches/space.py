"""The choices around a run file's student, and the run file that a choice makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distill.job.config import RunConfig
from networks.cascade.cascade import per_layer
from optics.errors import OpticsError

Choice = bool | int | float | str | None

_MASKS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
_TAPS = (1, 3, 5, 7, 9, 11)
_HIDDEN = (16, 24, 32, 48, 64, 96, 128, 192, 256)
_MIXES = (4, 8, 12, 16, 24, 32, 48)
_WIDTHS = (4, 8, 12, 16, 24, 32, 48)
_DIMENSIONS = (8, 16, 32, 64, 128)
_STEPS = (0, 1, 2, 3, 4, 5)
_AVERAGES = (2, 4, 8)
_RATE = 3.0  # times the file's learning rate, and below it
_EACH_WAY = 2  # choices on either side of the file's own
_PIXELS = 2  # of a bin, a side, that a training step computes at least


@dataclass(frozen=True)
class Space:
    """What may be chosen, by name; the learning rate between `rates`, the rest from a list.

    masks: of the last layer. taps: a side, of every layer. bin: camera pixels of a bin, a side. hidden, mix, average
    (classifier), width (segmenter), context (both), dimension (embedder): of the back end; hidden, mix and average 0
    are none, and so is an average of no fewer values than there are bins.
    """

    base: RunConfig
    lists: Mapping[str, tuple[int, ...]]
    rates: tuple[float, float]

    @classmethod
    def around(cls, config: RunConfig, image_shape: tuple[int, int]) -> Space:
        """Two steps to either side of what the run file says; bins that divide the images evenly.

        Raises:
            OpticsError: the network is given, or its cascade has masks that belong to one size.
        """
        student = config.student
        if student.file is not None:
            raise OpticsError("student.file gives a trained network; leave it out to search for one.")
        if student.cascade.pool is not None:
            raise OpticsError("student.cascade.pool fixes the sizes of the maps; leave it out to search.")
        lists = {"masks": _near(_MASKS, student.cascade.channels[-1])}
        taps = per_layer(student.cascade.kernel_size, len(student.cascade.channels) - 1, "kernel_size")
        lists["taps"] = _near(_TAPS, max(taps), 1)
        if student.readout.grid is not None:
            own = max(1, image_shape[0] // student.readout.grid[0])
            even = [p for p in range(1, min(image_shape) // 2 + 1) if not any(n % p for n in image_shape)]
            lists["bin"] = _near(tuple(even), own, 1)
        backend = student.backend
        if backend.kind == "classifier":
            lists["mix"] = (0, *_near(_MIXES, backend.mix or 16))
            lists["average"] = (0, *_near(_AVERAGES, backend.average[0] if backend.average else 4, 1))
        if backend.kind == "segmenter":
            lists["width"] = _near(_WIDTHS, backend.width or 16)
        else:
            lists["hidden"] = (0, *_near(_HIDDEN, backend.hidden[0] if backend.hidden else 32))
        if backend.kind in ("classifier", "segmenter"):
            lists["context"] = _near(_STEPS, backend.context or 0)
        if backend.kind == "embedder":
            lists["dimension"] = _near(_DIMENSIONS, backend.dimension or 64)
        rate = student.training.learning_rate
        return cls(config, lists, (rate / _RATE, rate * _RATE))

    def config(self, choice: Mapping[str, Choice], image_shape: tuple[int, int]) -> RunConfig:
        """The run file of a choice; its students train on few pixels of each bin, see `distill.training.thinning`."""
        student, number = self.base.student, {k: int(v or 0) for k, v in choice.items() if k in self.lists}
        inner = student.cascade.channels[:-1]
        changes: dict[str, Any] = {
            "cascade.channels": (*inner, number["masks"]),
            "cascade.kernel_size": number["taps"],
            "training.learning_rate": float(f"{float(choice['rate'] or 0.0):.3g}"),
        }
        if "bin" in number:
            changes["readout.bins"] = [n // number["bin"] for n in image_shape]
            samples = student.readout.oversampling or 1  # in each pixel
            thin = max(
                e
                for e in range(1, number["bin"] + 1)
                if number["bin"] % e == 0 and (e == 1 or number["bin"] // e >= _PIXELS) and e * samples <= 16
            )
            changes["training.step.every"] = thin * samples
        if "hidden" in number:
            changes["backend.hidden"] = (number["hidden"],) if number["hidden"] else ()
        if "mix" in number:
            changes["backend.mix"] = number["mix"] or None
        if "average" in number:
            side, bins = number["average"], changes.get("readout.bins", student.readout.grid or image_shape)
            changes["backend.average"] = (side, side) if 0 < side < min(bins) else None
        for name in ("width", "dimension", "context"):
            if name in number:
                changes[f"backend.{name}"] = number[name]
        return self.base.replace(**{f"student.{name}": value for name, value in changes.items()})


def _near(values: tuple[int, ...], own: int, ways: int = _EACH_WAY) -> tuple[int, ...]:
    """`own` and so many values on either side of it."""
    below = [v for v in values if v < own][-ways:]
    above = [v for v in values if v > own][:ways]
    return (*below, own, *above)
