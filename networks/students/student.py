"""The student: linear optics, what a camera sees of it, and a small electronic back end; and its controls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from networks.backends import registry as backends
from networks.backends.space_to_depth import Stacked
from networks.cascade.cascade import Cascade
from networks.operations import multiply_accumulates
from networks.readouts import readouts
from networks.readouts.readouts import Readout
from networks.students.spec import Control, StudentSpec
from optics.checks import OpticsError, check_finite
from optics.conventions import real_dtype
from optics.devices import device_of, in_own_precision

if TYPE_CHECKING:
    from networks.onbench.network import OnBench
    from optics.bench.spec import BenchSpec


class Student(nn.Module):
    """`backend(readout(cascade(x)))`: everything before the camera is linear in the image.

    `Student.build` makes one from its sizes, `Student.from_spec` from its description, which `spec` gives back.

    Args:
        cascade: the optical part.
        readout: what the camera records of its field.
        backend: features to logits (or to a mask, or to an embedding).
        image_shape: (ny, nx) of the images, where known.
        control: None for a student, or the control it is: "random_masks", "no_mask", "shuffled".
    """

    def __init__(
        self,
        cascade: Cascade,
        readout: Readout,
        backend: nn.Module,
        *,
        image_shape: tuple[int, int] | None = None,
        control: Control | None = None,
    ) -> None:
        super().__init__()
        self.cascade = cascade
        self.readout = readout
        self.backend = backend
        self.image_shape = image_shape
        self.control = control

    def __repr__(self) -> str:
        """Its sizes; `print(student.cascade, student.backend)` shows the layers."""
        c, bins = self.cascade, self.readout.camera.bins
        head = type(self.backend).__name__
        control = "" if self.control is None else f"control {self.control!r}: "
        return (
            f"Student({control}{' - '.join(map(str, c.channels))} channels, {c.kernel_size} taps collapsed, {c.model}; "
            f"{self.readout.name}, {'every pixel' if bins is None else f'bins {bins[0]} x {bins[1]}'}; {head}; "
            f"{sum(p.numel() for p in self.parameters()):,} parameters)"
        )

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
            options: further keys of `CascadeSpec` (kernel_size, parameterisation, boundary, pool, mask_shape), of
                `ReadoutSpec` (channel_sum, oversampling, reference, signed) and of `BackendSpec` (hidden, mix, width,
                context, average, dimension, scale, square_root, epsilon), all in `networks.students.parts`.

        Raises:
            OpticsError: an option that none of the three takes, or that does not fit the others.
        """
        sizes = {"channels": channels, "image_shape": image_shape, "classes": classes}
        return cls.from_spec(
            StudentSpec.of(**sizes, readout=readout, bins=bins, head=head, **options), generator=generator
        )

    @classmethod
    def random_masks(
        cls, channels: Sequence[int] = (1, 16, 32, 16), *, generator: torch.Generator, **options: Any
    ) -> Student:
        """Control: the same student with its optics frozen at their random first values. Arguments as in `build`."""
        return cls._control("random_masks", channels, generator, options)

    @classmethod
    def no_mask(
        cls, channels: Sequence[int] = (1, 16, 32, 16), *, generator: torch.Generator, **options: Any
    ) -> Student:
        """Control: a plain lens images each channel onto the camera; the back end follows the same law.

        The camera's bins are made finer so that the back end sees about as many features as with masks, hence has
        about as many multiply-accumulates (up to the number of pixels). One that mixes maps, or decodes them into a
        mask, is the student's own: neighbouring bins stand for maps, see `networks.backends.space_to_depth`.
        Arguments as in `build`; what describes masks has no effect here.
        """
        return cls._control("no_mask", channels, generator, options)

    @classmethod
    def _control(
        cls, control: Control, channels: Sequence[int], generator: torch.Generator, options: dict[str, Any]
    ) -> Student:
        words = {"image_shape": (28, 28), "channels": channels, **options}
        return cls.from_spec(StudentSpec.of(**words).as_control(control), generator=generator)

    @classmethod
    def from_spec(cls, spec: StudentSpec, *, generator: torch.Generator | None = None) -> Student:
        """The student that `spec` describes.

        Args:
            spec: every part of it, and the images' shape.
            generator: draws the first values; leave it out where a state is loaded next.

        Raises:
            OpticsError: the parts do not fit each other or the images.
        """
        generator = generator or torch.Generator()
        if spec.control == "raw_image":
            raise OpticsError("the control 'raw_image' has no optics; make it by RawImage.from_spec.")
        whole, shape = spec.complete(), spec.image_shape
        if spec.control == "no_mask":
            cascade = Cascade.identity(spec.cascade.channels[0])
        else:
            cascade = Cascade(**whole.cascade.options(), image_shape=shape, generator=generator)
        eye = readouts.create(whole.readout.kind, whole.readout.grid, **whole.readout.own())
        backend = backend_of(whole, generator)
        cascade.requires_grad_(whole.cascade.trainable)
        return cls(cascade, eye, backend, image_shape=shape, control=spec.control)

    @property
    def spec(self) -> StudentSpec:
        """What `from_spec` needs to build this student again, its values aside; every default written out.

        Raises:
            OpticsError: the back end is a module of the user's own, which no description covers, or does not fit the
                read-out.
        """
        parts = self.cascade.config(), self.readout.config(), backends.description(self.backend)
        return StudentSpec.of_parts(*parts, image_shape=self.image_shape, control=self.control)

    @in_own_precision
    def on(self, bench: BenchSpec | str | Path, *, realisation: str = "collapsed", **options: Any) -> OnBench:
        """The same network with its optical part on `bench`.

        Args:
            bench: what the bench is; or the name of a shipped one, or a TOML file, as of `optics.load_bench`.
            realisation: "collapsed" (one 4f pass and one exposure per mask), "tiled" (several masks side by side in one
                frame) or "staged" (one 4f stage per layer).
            options: see `networks.onbench.network.OnBench.build`; `image_shape` is this student's own where it knows
                it.

        Raises:
            OpticsError: no such bench or realisation, or the size of the images is not known.
        """
        from networks.onbench.network import OnBench
        from optics.bench.files import load_bench

        if isinstance(bench, str | Path):
            bench = load_bench(bench)

        if self.image_shape is not None:
            options.setdefault("image_shape", self.image_shape)
        if "image_shape" not in options:
            raise OpticsError("this student does not know its images' size; give image_shape=(H, W).")
        parts = (self.cascade, self.readout, self.backend)
        return OnBench.build(*parts, bench, realisation=realisation, **options)

    def field(self, x: Tensor) -> Tensor:
        """The complex field before the camera: (B, out, y, x)."""
        return self.cascade(x)

    @in_own_precision
    def features(self, x: Tensor) -> Tensor:
        """What the camera gives the back end, binned: (B, maps, by, bx); intensities for the intensity read-out.

        Raises:
            OpticsError: the images are of another precision than the network, or, in `eval` mode, not finite.
        """
        self._check(x)
        return self.readout(self.cascade, x)

    def _check(self, x: Tensor) -> None:
        own = next((p.dtype for p in self.parameters() if p.is_floating_point() or p.is_complex()), x.dtype)
        if real_dtype(x.dtype) != real_dtype(own):
            raise OpticsError(
                f"images are {x.dtype} and the network computes in {real_dtype(own)}. Convert the images, or the "
                "network by .double() or .float()."
            )
        if not self.training and not torch.compiler.is_compiling():
            check_finite(x, name="images")

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
            return multiply_accumulates(self.backend, self.features(x[:1].to(device_of(self))))


def backend_of(spec: StudentSpec, generator: torch.Generator) -> nn.Module:
    """The electronics that a spec describes."""
    electronics = spec.backend
    options = electronics.own() | {"square_root": electronics.square_root, "epsilon": electronics.epsilon}
    inner = backends.create(electronics.kind, spec.features(), spec.classes, **options, generator=generator)
    return inner if electronics.side is None else Stacked(electronics.side, inner)
