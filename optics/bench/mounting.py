"""How display, SLM and camera are mounted: mirrored or turned, between a device's own picture and its plane.

A *picture* is what a device takes or gives: row 0 first, as its file or its memory has it. A *plane* is what the rest
of this package means by (y, x): +x to the right and +y down for somebody who looks along the light; the axes go with
the light through mirrors, and the camera's plane is reported upright (`optics.conventions`). The light meets the
picture

    first mirrored left for right, where `mirrored`
    then turned by `turned` quarter turns from +x towards +y (clockwise)

so that `to_plane(picture)` is the plane and `to_picture(plane)` is what to send. Both are exact: pixels change places.
A reflection reverses left and right of all that comes behind it: count the mirrors between a device and the display,
the SLM's own among them.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from optics.conventions import Point
from optics.spec import Spec

Slices = tuple[slice, slice]
Size = tuple[int, int]


class MountSpec(Spec):
    """How one device is mounted. mirrored: left for right. turned: quarter turns from +x towards +y, after that."""

    mirrored: bool = False
    turned: int = Field(default=0, ge=0, le=3)

    @property
    def plain(self) -> bool:
        """Whether picture and plane are the same."""
        return not self.mirrored and not self.turned

    def to_plane(self, picture: Tensor) -> Tensor:
        """The plane (..., y, x) that a device's picture (..., y', x') stands for."""
        return torch.rot90(picture.flip(-1) if self.mirrored else picture, -self.turned, (-2, -1))

    def to_picture(self, plane: Tensor) -> Tensor:
        """The device's picture (..., y', x') of a plane (..., y, x)."""
        turned = torch.rot90(plane, self.turned, (-2, -1))
        return turned.flip(-1) if self.mirrored else turned

    def size(self, shape: Size) -> Size:
        """Rows and columns of the picture of a plane of `shape`, and the other way round."""
        return (shape[1], shape[0]) if self.turned % 2 else shape

    def point(self, place: Point, shape: Size) -> Point:
        """Where a point of a plane of `shape` lies in the picture; both (y, x), pixel centres at whole numbers."""
        (y, x), (ny, nx) = place, shape
        for _ in range(self.turned):
            y, x, ny, nx = nx - 1 - x, y, nx, ny
        return (y, nx - 1 - x) if self.mirrored else (y, x)

    def region(self, part: Slices, shape: Size) -> Slices:
        """Rows and columns in the picture of a part of a plane of `shape`."""
        first = self.point((part[0].start, part[1].start), shape)
        last = self.point((part[0].stop - 1, part[1].stop - 1), shape)
        rows, cols = (sorted((int(a), int(b))) for a, b in zip(first, last, strict=True))
        return slice(rows[0], rows[1] + 1), slice(cols[0], cols[1] + 1)

    def part_of_plane(self, region: Slices, picture_shape: Size) -> Slices:
        """Rows and columns in the plane of a part of a picture of `picture_shape`: `region` the other way round."""
        return self.inverse.region(region, picture_shape)

    @property
    def inverse(self) -> MountSpec:
        """The mounting whose `to_plane` is this one's `to_picture`."""
        if self.mirrored:  # a mirror and a turn undo themselves
            return self
        return MountSpec(turned=-self.turned % 4)


class MountingSpec(Spec):
    """How the devices of a bench are mounted; upright where nothing is said."""

    display: MountSpec = MountSpec()
    slm: MountSpec = MountSpec()
    camera: MountSpec = MountSpec()
