"""Arrays of pixels to float tensors: which axis holds the channels, and what value is white, by stated rules.

Axes, of an array with four: the axis of length 1 or 3 that is last or second is that of the channels; where both or
neither could be, `data.axes` ("nhwc" or "nchw") must say. Three axes are (N, H, W).
Values: booleans are dark and white, unsigned bytes are divided by 255, 16 bit by 65535, floats are taken as they are
and must lie within 0 .. 1; any other whole numbers need `data.white`, the stored value of full white, which may be
given for every type.

Files of them, `.npz` or a folder of `.npy`: a name tells what an array is, its words in any order and case: a part
(`train`, `val`, `test`, in any usual spelling) and what it holds: images (`x`, `images`, `data`) or answers (`y`,
`labels`, `targets`, `masks`); so `x_train` and `y_train` as Keras has them, `train_images` and `train_labels` as
MedMNIST has them, `images` and `labels` without parts. Names of anything else are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from distill.data import labels as answers
from distill.data.parts import Found, Options, Part, part_called
from distill.data.pictures import to_unit
from networks.students.array_files import numpy_arrays
from optics.errors import OpticsError, ShapeError
from optics.reading import check_size, listed, reading, regular_file

Axes = Literal["nhwc", "nchw"]


def axes_of(shape: Sequence[int], axes: str | None, *, where: str) -> str:
    """The order of an array's axes, "nhw", "nhwc" or "nchw", by the rule above.

    Raises:
        ShapeError: neither three nor four axes, or four that could be read either way.
    """
    check_size(f"one image of {where}", shape[1:])
    if axes not in (None, "nhwc", "nchw"):
        raise OpticsError(f"data.axes is {axes!r}; choose 'nhwc' (channels last) or 'nchw'.")
    if len(shape) == 3:
        return "nhw"
    if len(shape) != 4:
        raise ShapeError(
            f"{where} has shape {tuple(shape)}, expected (N, H, W), (N, H, W, C) or (N, C, H, W)."
        )
    if axes is not None:
        return axes
    last, second = shape[3] in (1, 3), shape[1] in (1, 3)
    if last == second:
        raise ShapeError(
            f"{where} has shape {tuple(shape)}, in which {'two axes' if last else 'no axis'} could be the "
            "channels (1 or 3); set data.axes to 'nhwc' or 'nchw'."
        )
    return "nhwc" if last else "nchw"


def check_type(dtype: np.dtype[Any], white: float | None, *, where: str) -> None:
    """Raise OpticsError unless values of this type can be pixels."""
    plain = dtype in (np.dtype(bool), np.dtype(np.uint8), np.dtype(np.uint16)) or dtype.kind == "f"
    if not (plain or (dtype.kind in "iu" and white is not None)):
        raise OpticsError(
            f"{where} holds values of type {dtype}, expected uint8, uint16, bool, or floats in 0 .. 1; for other "
            "whole numbers set data.white to the stored value that is full white."
        )


def to_images(
    pixels: NDArray[Any],
    *,
    order: str,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    white: float | None = None,
    where: str = "the pictures",
) -> Tensor:
    """Pixels (N, H, W), (N, H, W, C) or (N, C, H, W) to float32 (N, C, H, W) in [0, 1].

    Args:
        pixels: numbers of a type that `check_type` takes.
        order: "nhw", "nhwc" or "nchw", from `axes_of`.
        size: see `resized`.
        grey: see `resized`.
        white: stored value of full white; None is the type's own (1 for floats).
        where: for messages.
    """
    check_type(pixels.dtype, white, where=where)
    if pixels.dtype == bool:
        images = torch.from_numpy(pixels.astype(np.float32))
    elif pixels.dtype == np.uint8 and white is None:
        images = torch.from_numpy(np.array(pixels, order="C")).to(torch.float32).div_(255)
    else:
        full = white or (65535.0 if pixels.dtype == np.uint16 else 1.0)
        images = torch.from_numpy(to_unit(pixels, full, where))
    if order == "nhw":
        images = images[:, None]
    elif order == "nhwc":
        images = images.permute(0, 3, 1, 2).contiguous()
    return resized(images, size=size, grey=grey)


def stack(
    pictures: Sequence[NDArray[Any]], *, grey: bool = False, where: str, names: Sequence[str] = ()
) -> Tensor:
    """Decoded pictures, all of one shape, to float32 (N, C, H, W) in [0, 1]; see `distill.data.pictures.decode`.

    Raises:
        OpticsError: they differ in shape; the message names the first two that do.
    """
    if not pictures:
        return torch.zeros(0, 1, 1, 1)
    first = pictures[0].shape
    for i, picture in enumerate(pictures):
        if picture.shape != first:
            of = f" of {names[0]} and {names[i]}" if names else ""
            raise OpticsError(
                f"{where}: the pictures differ in shape ({first} and {picture.shape}{of}); pass size=(H, W), and "
                "grey=True where some are in colour."
            )
    check_size(where, (len(pictures), *first), fix="Pass size=(H, W), or set limit.")
    kinds = {p.dtype for p in pictures}
    if kinds != {np.dtype(np.uint8)}:
        pictures = [p / np.float32(255) if p.dtype == np.uint8 else p for p in pictures]
    order = "nhw" if len(first) == 2 else "nhwc"
    return to_images(np.stack(list(pictures)), order=order, grey=grey, where=where)


def resized(images: Tensor, *, size: tuple[int, int] | None = None, grey: bool = False) -> Tensor:
    """Images (N, C, H, W) turned to grey (ITU-R 601 luma) and brought to `size` (H, W), where asked."""
    if grey and images.shape[1] == 3:
        luma = images.new_tensor([0.299, 0.587, 0.114])
        images = (images * luma[:, None, None]).sum(1, keepdim=True).clamp(0, 1)
    if size is not None and tuple(images.shape[-2:]) != tuple(size):
        images = F.interpolate(images, size=tuple(size), mode="area").clamp(0, 1)
    return images


def resized_masks(masks: NDArray[Any], size: tuple[int, int] | None) -> NDArray[Any]:
    """Labels of pixels (N, H, W) brought to `size`, each the nearest one; as they are where it is None."""
    if size is None or masks.shape[-2:] == tuple(size):
        return masks
    values = torch.from_numpy(masks)[:, None].double()
    return F.interpolate(values, size=tuple(size), mode="nearest-exact")[:, 0].long().numpy()


# ---------------------------------------------------------------------- files of them

SUFFIXES = (".npz",)
_IMAGES = {"x", "image", "images", "img", "imgs", "data", "pixels"}
_ANSWERS = {"y", "label", "labels", "target", "targets", "mask", "masks", "class", "classes"}


def find(path: Path, options: Options) -> Found | None:
    """What an `.npz` file or a folder of `.npy` files holds; None for a folder that holds none of it.

    Raises:
        OpticsError: damaged, no images, images without answers or the reverse, or arrays that disagree.
    """
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix.lower() == ".npy" and not f.name.startswith("."))
        if not any(_told(f.stem) for f in files):
            return None
        arrays = {}
        for file in files:
            with reading(file, ".npy"):
                arrays[file.stem] = numpy_arrays(regular_file(file))["array"]
    else:
        with reading(path, ".npz"):
            arrays = numpy_arrays(path)
    named: dict[str, dict[str, str]] = {}
    for name in arrays:
        told = _told(name)
        if told is None:
            continue
        part, what = told
        if what in named.setdefault(part, {}):
            raise OpticsError(
                f"{path}: {named[part][what]!r} and {name!r} are both the {what} of {part!r}; keep one."
            )
        named[part][what] = name
    if not named:
        raise OpticsError(
            f"{path} holds {listed(sorted(map(repr, arrays))) or 'nothing'}; expected x_train, y_train, x_test, "
            "y_test, or images and labels."
        )
    return Found(
        {part: _part(path, part, names, arrays, options) for part, names in named.items()}, (), path.name
    )


def _told(name: str) -> tuple[str, str] | None:
    """The part that a name stands for ("all" where it names none), and "images" or "answers"."""
    words = [w for w in re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()) if w]
    part, what = "all", None
    for word in words:
        found = part_called(word)
        if found is not None:
            part = found
        elif word in _IMAGES:
            what = "images"
        elif word in _ANSWERS:
            what = "answers"
        else:
            return None
    return None if what is None else (part, what)


def _part(
    path: Path, part: str, names: Mapping[str, str], arrays: Mapping[str, NDArray[Any]], options: Options
) -> Part:
    for what in ("images", "answers"):
        if what not in names:
            have = next(iter(names.values()))
            raise OpticsError(f"{path}: {have!r} is there but not its partner, the {what} of {part!r}.")
    where = f"{path}, {names['images']!r}"
    pixels, stored = arrays[names["images"]], arrays[names["answers"]]
    order = axes_of(pixels.shape, options.axes, where=where)
    check_type(pixels.dtype, options.white, where=where)

    def images(index: Tensor) -> Tensor:
        return to_images(
            pixels[index.numpy()],
            order=order,
            size=options.size,
            grey=options.grey,
            white=options.white,
            where=where,
        )

    place, count = f"{path}, {names['answers']!r}", len(pixels)
    labels = answers.plain(stored, where=place)
    if len(labels) != count:
        raise OpticsError(f"{place} has {len(labels)} answers for {count} images in {names['images']!r}.")
    if labels.ndim == 1:
        return Part(place, count, images, labels=labels)
    return Part(place, count, images, masks=lambda index: resized_masks(labels[index.numpy()], options.size))
