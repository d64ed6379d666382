"""The camera of a computed network: which samples of the intensity it sees, and the bins that they are averaged to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import Tensor, nn

from networks.cascade.between import places
from networks.cascade.convolution import ALL, Every
from networks.cascade.separable import bin_area
from optics.checks import OpticsError
from optics.devices import in_own_precision


class BinnedCamera(nn.Module):
    """Camera pixels binned to a grid of `bins` = (by, bx) averages; None keeps every pixel.

    Args:
        bins: the grid.
        oversampling: samples of the intensity per pixel and axis: 1, at the pixel's centre; 2, what light the pixel's
            area collects, see `networks.cascade.between`.

    Attributes:
        every: the samples that an intensity is computed for, all of them but within `thinned`; of `oversampling` in
            each pixel.

    Raises:
        OpticsError: not 1 to 4 samples.
    """

    def __init__(self, bins: tuple[int, int] | None = None, *, oversampling: int = 1) -> None:
        super().__init__()
        if not isinstance(oversampling, int) or not 1 <= oversampling <= 4:
            raise OpticsError(f"oversampling is {oversampling!r}; use 1 to 4 samples per pixel and axis.")
        self.bins, self.oversampling = bins, oversampling
        self.every = ALL

    def views(self) -> Iterator[Every]:
        """The samples of `every`, those at one place within the pixels after another."""
        n, where = self.oversampling, places(self.oversampling)
        step, (y, x) = self.every.step, self.every.first
        if step > 1 and step % n == 0:
            yield Every(step // n, (y // n, x // n), (where[y % n], where[x % n]))
        else:
            yield from (Every(step, (y, x), (p, q)) for p in where for q in where)

    @contextlib.contextmanager
    def thinned(self, every: Every) -> Iterator[None]:
        """Let bins be the averages of some of their pixels, for a training step that need not see all of them."""
        self.every = every
        try:
            yield
        finally:
            self.every = ALL

    def extra_repr(self) -> str:
        """One line for `print(module)`."""
        return f"bins={self.bins}, oversampling={self.oversampling}"

    def shape(self, image_shape: tuple[int, int]) -> tuple[int, int]:
        """(by, bx) that images of `image_shape` give."""
        return self.bins or image_shape

    @in_own_precision
    def forward(self, frames: Tensor) -> Tensor:
        """(..., y, x) to (..., by, bx), real."""
        return frames if self.bins is None else bin_area(frames, self.bins)
