"""The student: linear optics, what a camera sees of it, and a small electronic back end; and its controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from networks import backend as backends
from networks import readout as readouts
from networks.cascade import Cascade
from networks.controls import matched_bins
from networks.operations import multiply_accumulates
from networks.readout import Readout
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
        kernel_size: int | Sequence[int] = 3,
        parameterisation: str | Sequence[str] = "complex",
        boundary: Boundary = "zero",
        optics: Mapping[str, Any] | None = None,
        readout: str = "intensity",
        bins: tuple[int, int] | None = (4, 4),
        hidden: Sequence[int] = (),
        mix: int | None = None,
        head: str = "classifier",
        head_options: Mapping[str, Any] | None = None,
        generator: torch.Generator,
        **readout_options: Any,
    ) -> Student:
        """A student from its sizes; see `Cascade`, `networks.readout` and `Backend` for the arguments.

        `optics` are further arguments of `Cascade` (`pool`, `mask_shape`); `head` is the kind of back end
        (`networks.backend.kinds`) and `head_options` its further arguments.
        """
        cascade = Cascade(
            channels,
            kernel_size,
            parameterisation=parameterisation,
            boundary=boundary,
            image_shape=image_shape,
            **(optics or {}),
            generator=generator,
        )
        eye = readouts.create(readout, bins, **readout_options)
        inside = _head_options(head, head_options, image_shape=image_shape, hidden=hidden, mix=mix)
        backend = _backend(cascade, eye, image_shape, classes, head, inside, generator)
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
        head: str = "classifier",
        head_options: Mapping[str, Any] | None = None,
        generator: torch.Generator,
        **options: Any,
    ) -> Student:
        """Control: a plain lens images each channel onto the camera; the back end follows the same law.

        The camera's bins are made finer so that the back end sees about as many features as with masks, hence has
        about as many multiply-accumulates (up to the number of pixels). Of the other arguments of `build` those of
        the read-out count; what describes masks, or mixes their maps, has no meaning here.
        """
        cascade = Cascade.identity(channels[0])
        chosen = {k: options[k] for k in ("channel_sum", "reference", "signed") if k in options}
        eye = readouts.create(readout, None, **chosen)
        eye.camera.bins = matched_bins(image_shape, bins or image_shape, channels[-1] / channels[0])
        inside = _head_options(head, head_options, image_shape=image_shape, hidden=hidden)
        backend = _backend(cascade, eye, image_shape, classes, head, inside, generator)
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


def _head_options(
    head: str,
    options: Mapping[str, Any] | None,
    *,
    image_shape: tuple[int, int],
    hidden: Sequence[int],
    mix: int | None = None,
) -> dict[str, Any]:
    """A back end's own arguments: those that `build` names, where this kind has them, and `options` over them."""
    own: dict[str, Any] = {"hidden": hidden, "mix": mix, "image_shape": image_shape}
    takes = {"classifier": ("hidden", "mix"), "embedder": ("hidden",), "segmenter": ("image_shape",)}
    return {name: own[name] for name in takes.get(head, ())} | dict(options or {})


def _backend(
    cascade: Cascade,
    eye: Readout,
    image_shape: tuple[int, int],
    classes: int,
    head: str,
    options: Mapping[str, Any],
    generator: torch.Generator,
) -> nn.Module:
    maps = eye.features(cascade.out_channels)
    signed = eye.name == "homodyne" or getattr(eye, "signed", False)
    bins = eye.camera.shape(cascade.output_shape(image_shape))
    return backends.create(
        head, (maps, *bins), classes, **({"square_root": not signed} | dict(options)), generator=generator
    )
