"""Controls: what the same back end reaches on the image itself, behind electronic kernels, or behind shuffled optics.

Two more, random masks and no mask, are made by `Student.random_masks` and `Student.no_mask`. `build` makes a control of
its own sizes, `matching` one that has the same back end as a given network, `from_spec` one of a student's description.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from networks.backends.classifier import Backend
from networks.backends.registry import alike, description
from networks.backends.space_to_depth import Stacked
from networks.cascade.separable import bin_area
from networks.operations import multiply_accumulates
from networks.seeded import drawn
from networks.students.spec import StudentSpec, matched_bins
from networks.students.student import Student, backend_of
from optics.devices import device_of
from optics.errors import OpticsError


class RawImage(nn.Module):
    """The image, averaged to bins, then a back end.

    Args:
        bins: (by, bx) of the average.
        backend: takes (B, image channels, by, bx).
        spec: what `from_spec` made it of, where it did.
    """

    def __init__(self, bins: tuple[int, int], backend: nn.Module, spec: StudentSpec | None = None) -> None:
        super().__init__()
        self.bins = bins
        self.backend = backend
        self.spec = spec

    @classmethod
    def from_spec(cls, spec: StudentSpec, *, generator: torch.Generator | None = None) -> RawImage:
        """The control that `StudentSpec.as_control("raw_image")` describes; it has about the student's operations."""
        whole = spec.complete()
        bins = whole.readout.grid or whole.image_shape
        if spec.control != "raw_image" or bins is None:
            raise OpticsError("this describes no raw image; pass spec.as_control('raw_image').")
        return cls(bins, backend_of(whole, generator or torch.Generator()), whole)

    @classmethod
    def build(
        cls,
        image_channels: int,
        image_shape: tuple[int, int],
        values: int,
        classes: int,
        *,
        hidden: Sequence[int] = (),
        generator: torch.Generator,
    ) -> RawImage:
        """A classifier of about as many values as a student has features, hence of as many multiply-accumulates.

        Args:
            image_channels: channels of the image.
            image_shape: (ny, nx).
            values: features that the student's read-out gives, all maps together.
            classes: number of logits.
            hidden: widths of hidden layers.
            generator: draws the first values.
        """
        bins = matched_bins(image_shape, (1, 1), values / image_channels)
        features = (image_channels, *bins)
        return cls(bins, Backend(features, classes, hidden=hidden, square_root=False, generator=generator))

    @classmethod
    def matching(cls, backend: nn.Module, image_channels: int, *, generator: torch.Generator) -> RawImage:
        """The raw image before the same back end as `backend`, see `Stacked.matching`."""
        stacked = Stacked.matching(backend, image_channels, generator=generator)
        return cls(stacked.bins, stacked)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, in, y, x) to the back end's output."""
        return self.backend(bin_area(x, self.bins))

    def embed(self, x: Tensor) -> Tensor:
        """Images (B, in, y, x) to unit vectors, where the back end is an embedder."""
        return self.backend.embed(bin_area(x, self.bins))  # type: ignore[operator]

    def operations(self, x: Tensor) -> int:
        """Multiply-accumulates per image of x's shape; averaging is not counted."""
        with torch.no_grad():
            return multiply_accumulates(self.backend, bin_area(x[:1].to(device_of(self)), self.bins))


def shuffled(student: Student, *, generator: torch.Generator) -> Student:
    """The student with the taps of each of its collapsed kernels in another order, frozen; its back end drawn anew.

    Every kernel keeps its values, hence its energy and how its taps are distributed, and loses where they stand: what a
    trained student is above this, the form of its kernels earns.

    Raises:
        OpticsError: the student has no small kernels (free masks, pools).
    """
    made = Student.from_spec(student.spec.as_control("shuffled"), generator=generator)
    with torch.no_grad():
        taps = student.cascade.kernels().flatten(2)
        order = torch.rand(taps.shape, generator=generator).argsort(-1)
        moved = taps.gather(-1, order).unflatten(-1, (student.cascade.kernel_size,) * 2)
        (weight,) = made.cascade.parameters()
        weight.copy_(torch.view_as_real(moved))
    return made


class ElectronicConvolution(nn.Module):
    """One electronic convolution of the collapsed student's size, its square, the same bins, the same back end.

    What the optics replace: the student's kernels are these, so its accuracy can be reached this way, for the
    multiply-accumulates that `operations` counts.

    Args:
        image_channels: channels of the image.
        kernel_size: taps per side of the collapsed kernels, odd.
        backend: one of `networks.backends`; as many kernels as it takes maps, averaged over its bins.
        squared: square the maps, as a camera does; else they stay signed and linear.
        generator: draws the first kernels.
    """

    def __init__(
        self,
        image_channels: int,
        kernel_size: int,
        backend: nn.Module,
        *,
        squared: bool = True,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        kernels, by, bx = description(backend)["features"]
        self.squared = squared
        self.bins = (by, bx)
        self.convolution = drawn(
            lambda: nn.Conv2d(image_channels, kernels, kernel_size, padding=kernel_size // 2, bias=False),
            generator,
        )
        self.backend = backend

    @classmethod
    def build(
        cls,
        image_channels: int,
        kernels: int,
        kernel_size: int,
        classes: int,
        *,
        bins: tuple[int, int] = (4, 4),
        squared: bool = True,
        hidden: Sequence[int] = (),
        generator: torch.Generator,
    ) -> ElectronicConvolution:
        """With a classifier, linear or with hidden layers of widths `hidden`."""
        backend = Backend((kernels, *bins), classes, hidden=hidden, square_root=squared, generator=generator)
        return cls(image_channels, kernel_size, backend, squared=squared, generator=generator)

    @classmethod
    def matching(
        cls, backend: nn.Module, image_channels: int, kernel_size: int, *, generator: torch.Generator
    ) -> ElectronicConvolution:
        """Before a back end of the same kind and size as `backend`; the maps are squared, the root is taken after."""
        same = alike(backend, description(backend)["features"], square_root=True, generator=generator)
        return cls(image_channels, kernel_size, same, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, in, y, x) to the back end's output."""
        return self.backend(self._features(x))

    def embed(self, x: Tensor) -> Tensor:
        """Images (B, in, y, x) to unit vectors, where the back end is an embedder."""
        return self.backend.embed(self._features(x))  # type: ignore[operator]

    def _features(self, x: Tensor) -> Tensor:
        maps = self.convolution(x)
        return bin_area(maps.square() if self.squared else maps, self.bins)

    def operations(self, x: Tensor) -> int:
        """Multiply-accumulates per image of x's shape, the convolution included; averaging is not counted."""
        backend = multiply_accumulates(self.backend, (1, *description(self.backend)["features"]))
        return multiply_accumulates(self.convolution, x[:1]) + backend
