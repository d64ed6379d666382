"""The student: linear optics, what a camera sees of it, and a small electronic back end; and its controls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from networks import backend as backends
from networks import readout as readouts
from networks.backend import Backend
from networks.cascade import Cascade
from networks.operations import multiply_accumulates
from networks.readout import Readout, bin_area
from networks.spectral import Boundary
from optics.checks import OpticsError

if TYPE_CHECKING:
    from networks.onbench import OnBench
    from optics.bench import BenchSpec


class Student(nn.Module):
    """`backend(readout(cascade(x)))`: everything before the camera is linear in the image.

    Args:
        cascade: the optical part.
        readout: what the camera records of its field.
        backend: features to logits (or to a mask, or to an embedding).
        image_shape: (ny, nx) of the images, where known.
        kind: "student", or the control it is: "random_masks", "no_mask".
    """

    def __init__(
        self,
        cascade: Cascade,
        readout: Readout,
        backend: nn.Module,
        *,
        image_shape: tuple[int, int] | None = None,
        kind: str = "student",
    ) -> None:
        super().__init__()
        self.cascade = cascade
        self.readout = readout
        self.backend = backend
        self.image_shape = image_shape
        self.kind = kind

    @classmethod
    def build(
        cls,
        channels: Sequence[int] = (1, 16, 32, 16),
        *,
        image_shape: tuple[int, int] = (28, 28),
        classes: int = 10,
        kernel_size: int = 3,
        parameterisation: str = "complex",
        boundary: Boundary = "zero",
        readout: str = "intensity",
        bins: tuple[int, int] | None = (4, 4),
        hidden: Sequence[int] = (),
        mix: int | None = None,
        generator: torch.Generator,
        **readout_options: Any,
    ) -> Student:
        """A student from its sizes; see `Cascade`, `networks.readout` and `Backend` for the arguments."""
        cascade = Cascade(
            channels, kernel_size, parameterisation=parameterisation, boundary=boundary, generator=generator
        )
        eye = readouts.create(readout, bins, **readout_options)
        backend = _backend(cascade, eye, image_shape, classes, hidden, mix, generator)
        return cls(cascade, eye, backend, image_shape=image_shape)

    @classmethod
    def random_masks(cls, channels: Sequence[int] = (1, 16, 32, 16), **options: Any) -> Student:
        """Control: the same student with its optics frozen at their random first values. Arguments as in `build`."""
        student = cls.build(channels, **options)
        student.cascade.requires_grad_(False)
        student.kind = "random_masks"
        return student

    @classmethod
    def no_mask(
        cls,
        channels: Sequence[int] = (1, 16, 32, 16),
        *,
        image_shape: tuple[int, int] = (28, 28),
        classes: int = 10,
        readout: str = "intensity",
        bins: tuple[int, int] | None = (4, 4),
        hidden: Sequence[int] = (),
        generator: torch.Generator,
        **options: Any,
    ) -> Student:
        """Control: a plain lens images each channel onto the camera; the back end follows the same law.

        The camera's bins are made finer so that the back end sees about as many features as with masks, hence has
        about as many multiply-accumulates (up to the number of pixels). Other arguments as in `build`.
        """
        cascade = Cascade.identity(channels[0])
        chosen = {k: options[k] for k in ("channel_sum", "reference", "signed") if k in options}
        eye = readouts.create(readout, None, **chosen)
        eye.camera.bins = matched_bins(image_shape, bins or image_shape, channels[-1] / channels[0])
        backend = _backend(cascade, eye, image_shape, classes, hidden, None, generator)
        return cls(cascade, eye, backend, image_shape=image_shape, kind="no_mask")

    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build this student again (its values aside), as JSON can hold it.

        Raises:
            OpticsError: the back end is a module of the user's own, which no configuration describes.
        """
        describe = getattr(self.backend, "config", None)
        if describe is None:
            raise OpticsError(
                f"a {type(self.backend).__name__} cannot be described by a configuration; use one of "
                "networks.backend, or keep the code that builds it."
            )
        return {
            "kind": self.kind,
            "image_shape": None if self.image_shape is None else list(self.image_shape),
            "cascade": self.cascade.config(),
            "readout": self.readout.config(),
            "backend": describe(),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Student:
        """A student like the one `config()` described; load its state to restore the values."""
        shape = config.get("image_shape")
        return cls(
            Cascade.from_config(config["cascade"]),
            readouts.from_config(config["readout"]),
            backends.from_config(config["backend"]),
            image_shape=None if shape is None else (int(shape[0]), int(shape[1])),
            kind=config.get("kind", "student"),
        )

    def on(self, bench: BenchSpec, *, realisation: str = "collapsed", **options: Any) -> OnBench:
        """The same network with its optical part on `bench`.

        Args:
            bench: what the bench is.
            realisation: "collapsed" (one 4f pass and one exposure per mask), "tiled" (several masks side by side in one
                frame) or "staged" (one 4f stage per layer).
            options: see `networks.onbench.OnBench`, `networks.tiled.Tiled`, `networks.staged.Staged`; `image_shape` is
                this student's own where it knows it.

        Raises:
            OpticsError: no such realisation.
        """
        from networks.realisations import realise

        if self.image_shape is not None:
            options.setdefault("image_shape", self.image_shape)
        return realise(realisation, self.cascade, self.readout, self.backend, bench, **options)

    def field(self, x: Tensor) -> Tensor:
        """The complex field before the camera: (B, out, y, x)."""
        return self.cascade(x)

    def features(self, x: Tensor) -> Tensor:
        """What the camera gives the back end, binned: (B, maps, by, bx); intensities for the intensity read-out."""
        return self.readout(self.cascade, x)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, in, y, x) to the back end's output, logits (B, classes) for a classifier."""
        return self.backend(self.features(x))

    def operations(self, x: Tensor) -> int:
        """Electronic multiply-accumulates per image of x's shape; the optics cost none."""
        with torch.no_grad():
            return multiply_accumulates(self.backend, self.features(x[:1]))


class RawImage(nn.Module):
    """Control without optics: the image, averaged to about as many values as the student has features, same back end.

    Args:
        image_channels: channels of the image.
        image_shape: (ny, nx).
        values: features that the student's read-out gives, all maps together.
        classes: number of logits.
        hidden: widths of hidden layers.
        generator: draws the first values.
    """

    def __init__(
        self,
        image_channels: int,
        image_shape: tuple[int, int],
        values: int,
        classes: int,
        *,
        hidden: Sequence[int] = (),
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.bins = matched_bins(image_shape, (1, 1), values / image_channels)
        self.backend = Backend(
            (image_channels, *self.bins), classes, hidden=hidden, square_root=False, generator=generator
        )

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, in, y, x) to logits (B, classes)."""
        return self.backend(bin_area(x, self.bins))

    def operations(self) -> int:
        """Multiply-accumulates per image."""
        return self.backend.operations()


def matched_bins(image_shape: tuple[int, int], bins: tuple[int, int], times: float) -> tuple[int, int]:
    """(by, bx) with about `times` as many bins as `bins`, never more than pixels."""
    factor = math.sqrt(times)
    by, bx = (max(1, min(n, round(b * factor))) for n, b in zip(image_shape, bins, strict=True))
    return by, bx


def _backend(
    cascade: Cascade,
    eye: Readout,
    image_shape: tuple[int, int],
    classes: int,
    hidden: Sequence[int],
    mix: int | None,
    generator: torch.Generator,
) -> Backend:
    maps = eye.features(cascade.out_channels)
    signed = eye.name == "homodyne" or getattr(eye, "signed", False)
    return Backend(
        (maps, *eye.camera.shape(image_shape)),
        classes,
        hidden=hidden,
        mix=mix,
        square_root=not signed,
        generator=generator,
    )
