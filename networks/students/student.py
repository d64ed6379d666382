"""The student: linear optics, what a camera sees of it, and a small electronic back end; and its controls."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from networks.backends import registry as backends
from networks.backends.space_to_depth import Stacked
from networks.cascade.cascade import Cascade
from networks.operations import multiply_accumulates
from networks.readouts import readouts
from networks.readouts.readouts import Readout
from networks.students.controls import matched_bins
from optics.checks import OpticsError

if TYPE_CHECKING:
    from networks.onbench.collapsed import OnBench
    from optics.bench.spec import BenchSpec


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
        readout: str = "intensity",
        bins: tuple[int, int] | None = (4, 4),
        head: str = "classifier",
        generator: torch.Generator,
        **options: Any,
    ) -> Student:
        """A student from its sizes.

        Args:
            channels: before, between and after the spectral convolutions.
            image_shape: (ny, nx) of the images.
            classes: logits of the back end.
            readout: "intensity", "homodyne" or "incoherent".
            bins: (by, bx) of the camera's binning; None keeps every pixel.
            head: the back end: "classifier", "segmenter" or "embedder".
            generator: draws the first values.
            options: further arguments of `Cascade` (kernel_size, parameterisation, boundary, pool, mask_shape), of the
                read-out (channel_sum, reference, signed) and of the back end (hidden, mix, width, dimension, scale).

        Raises:
            OpticsError: an option that none of the three takes.
        """
        parts = _sorted_options(options, readout, head)
        cascade = Cascade(channels, image_shape=image_shape, **parts["cascade"], generator=generator)
        eye = readouts.create(readout, bins, **parts["readout"])
        features = (eye.features(cascade.out_channels), *eye.camera.shape(cascade.output_shape(image_shape)))
        backend = _backend(features, eye, image_shape, classes, head, parts["head"], generator)
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
        head: str = "classifier",
        generator: torch.Generator,
        **options: Any,
    ) -> Student:
        """Control: a plain lens images each channel onto the camera; the back end follows the same law.

        The camera's bins are made finer so that the back end sees about as many features as with masks, hence has
        about as many multiply-accumulates (up to the number of pixels). One that mixes maps, or decodes them into a
        mask, is the student's own: neighbouring bins stand for maps, see `networks.backends.space_to_depth`.
        Arguments as in `build`; what describes masks has no effect here.
        """
        parts = _sorted_options(options, readout, head)
        cascade = Cascade.identity(channels[0])
        eye = readouts.create(readout, bins, **parts["readout"])
        maps, wide = eye.features(channels[0]), eye.features(channels[-1])
        coarse = bins or image_shape
        make = functools.partial(
            _backend,
            eye=eye,
            image_shape=image_shape,
            classes=classes,
            head=head,
            options=parts["head"],
            generator=generator,
        )
        if head == "segmenter" or parts["head"].get("mix") is not None:
            whole = make((wide, *coarse))
            root = backends.description(whole)["square_root"]
            stacked = Stacked.beside(whole, maps, square_root=root, finest=image_shape, generator=generator)
            eye.camera.bins, backend = stacked.bins, cast(nn.Module, stacked)
        else:
            eye.camera.bins = matched_bins(image_shape, coarse, channels[-1] / channels[0])
            backend = make((maps, *eye.camera.bins))
        return cls(cascade, eye, backend, image_shape=image_shape, kind="no_mask")

    def config(self) -> dict[str, Any]:
        """What `from_config` needs to build this student again (its values aside), as JSON can hold it.

        Raises:
            OpticsError: the back end is a module of the user's own, which no configuration describes.
        """
        return {
            "kind": self.kind,
            "image_shape": None if self.image_shape is None else list(self.image_shape),
            "cascade": self.cascade.config(),
            "readout": self.readout.config(),
            "backend": backends.description(self.backend),
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
            options: see `networks.onbench.collapsed.OnBench`, `networks.onbench.tiled.Tiled`,
                `networks.onbench.staged.Staged`; `image_shape` is this student's own where it knows it.

        Raises:
            OpticsError: no such realisation.
        """
        from networks.onbench.realise import realise

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

    def embed(self, x: Tensor) -> Tensor:
        """Images (B, in, y, x) to unit vectors (B, dimension), for a student with the "embedder" head."""
        embed = getattr(self.backend, "embed", None)
        if embed is None:
            raise OpticsError(
                f"a {type(self.backend).__name__} embeds nothing; build the student with head='embedder'."
            )
        return embed(self.features(x))

    def operations(self, x: Tensor) -> int:
        """Electronic multiply-accumulates per image of x's shape; the optics cost none."""
        with torch.no_grad():
            return multiply_accumulates(self.backend, self.features(x[:1]))


_CASCADE = ("kernel_size", "parameterisation", "boundary", "pool", "mask_shape")
_READOUT = {"intensity": ("channel_sum",), "homodyne": ("reference",), "incoherent": ("signed",)}
_HEAD = {
    "classifier": ("hidden", "mix", "square_root", "epsilon"),
    "segmenter": ("width", "square_root", "epsilon"),
    "embedder": ("hidden", "dimension", "scale", "square_root", "epsilon"),
}


def _sorted_options(options: Mapping[str, Any], readout: str, head: str) -> dict[str, dict[str, Any]]:
    """Which part takes which option. One that says "none of it" (None, an empty list) is no option."""
    takers = {"cascade": _CASCADE, "readout": _READOUT.get(readout, ()), "head": _HEAD.get(head, ())}
    parts: dict[str, dict[str, Any]] = {part: {} for part in takers}
    for name, value in options.items():
        part = next((part for part, names in takers.items() if name in names), None)
        if part is not None:
            parts[part][name] = value
        elif value is not None and value != () and value != []:
            known = [n for names in takers.values() for n in names]
            raise OpticsError(
                f"a student with {readout} read-out and {head} has no option {name!r}; choose from {', '.join(known)}."
            )
    return parts


def _backend(
    features: tuple[int, int, int],
    eye: Readout,
    image_shape: tuple[int, int],
    classes: int,
    head: str,
    options: Mapping[str, Any],
    generator: torch.Generator,
) -> nn.Module:
    if head == "segmenter":
        options = dict(options) | {"image_shape": image_shape}
    signed = eye.name == "homodyne" or getattr(eye, "signed", False)
    return backends.create(
        head, features, classes, **({"square_root": not signed} | dict(options)), generator=generator
    )
