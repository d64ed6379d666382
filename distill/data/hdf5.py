"""Image data sets in HDF5: layout A holds arrays of pixels, layout B holds JPEG files end to end.

Layout A, per split: `images` uint8 (N, H, W) or (N, H, W, C); `labels` integer (N,).
Layout B, per split: `jpeg` uint8, the files end to end; `offsets` int64 (N + 1,), file `i` is
`jpeg[offsets[i]:offsets[i + 1]]`; `labels` integer (N,). A segmentation set has masks (N, H, W) instead of
labels. Root attributes: `class_names`, and `source`, `license`, `note`, which are kept.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from distill.data.dataset import Dataset
from distill.data.folders import decode, stack
from optics.checks import OpticsError


def read(
    path: Path, *, size: tuple[int, int] | None = None, grey: bool = False, target: str | None = None
) -> dict[str, Dataset]:
    """Every split of an HDF5 file, by the name of its group.

    Args:
        path: the file.
        size: (H, W) that images (and masks, by nearest neighbour) are resized to; None keeps theirs.
        grey: turn colour images to grey (ITU-R 601 luma).
        target: name of the array that holds the answers, such as "labels", "masks" or "masks_multi"; None
            takes "labels" where there are any, else "masks".

    Raises:
        OpticsError: not an HDF5 file, truncated, a key missing, or shapes that disagree.
    """
    if not path.is_file():
        raise OpticsError(f"there is no file {path}; check the path.")
    try:
        with h5py.File(path) as file:
            groups = {k: v for k, v in file.items() if isinstance(v, h5py.Group)}
            if not groups:
                raise OpticsError(
                    f"{path} has no splits; expected the groups 'train' and 'test', found {_listed(file)}."
                )
            about = {k: str(file.attrs[k]) for k in ("source", "license", "note") if k in file.attrs}
            names = tuple(str(n) for n in file.attrs["class_names"]) if "class_names" in file.attrs else ()
            return {
                key: _split(path, key, group, names, about, size=size, grey=grey, target=target)
                for key, group in groups.items()
            }
    except OSError as error:
        raise OpticsError(
            f"{path} cannot be read as HDF5 ({_first_line(error)}); it is truncated or of another kind. "
            "Copy it again."
        ) from error


def _split(
    path: Path,
    key: str,
    group: h5py.Group,
    names: tuple[str, ...],
    about: dict[str, str],
    *,
    size: tuple[int, int] | None,
    grey: bool,
    target: str | None,
) -> Dataset:
    where = f"{path}, group {key!r}"
    target = target or ("labels" if "labels" in group or "masks" not in group else "masks")
    if target not in group:
        raise OpticsError(f"{where}: the key {target!r} is missing; found {_listed(group)}.")
    answers = torch.from_numpy(np.asarray(group[target][()]).astype(np.int64))
    images = _images(where, group, size=size, grey=grey)
    if answers.ndim not in (1, 3) or len(answers) != len(images):
        raise OpticsError(
            f"{where}: {target!r} has shape {tuple(answers.shape)}, expected ({len(images)},) or "
            f"({len(images)}, H, W) as there are {len(images)} images."
        )
    if answers.ndim == 3:
        answers = _resize_masks(answers, (images.shape[-2], images.shape[-1]), size is not None, where)
    count = int(answers.max()) + 1 if answers.numel() else 0
    if answers.ndim == 3 and target == "masks" and count <= 2:
        names = ("background", "object")  # class_names are those of the many-class masks
    if not names or count > len(names):
        names = tuple(str(i) for i in range(max(count, 2)))
    source = about.get("source", path.name)
    return Dataset(
        images=images,
        labels=answers,
        class_names=names,
        source=source,
        licence=about.get("license", "not stated"),
    )


def _images(where: str, group: h5py.Group, *, size: tuple[int, int] | None, grey: bool) -> Tensor:
    if "images" in group:
        pixels = group["images"]
        if pixels.ndim not in (3, 4) or pixels.dtype != np.uint8:
            raise OpticsError(
                f"{where}: 'images' has shape {pixels.shape} and type {pixels.dtype}, expected uint8 (N, H, "
                "W) or (N, H, W, C)."
            )
        return stack(pixels[()], size=size, grey=grey)
    missing = [k for k in ("jpeg", "offsets") if k not in group]
    if missing:
        raise OpticsError(
            f"{where}: the key {missing[0]!r} is missing; layout A has 'images', layout B 'jpeg' and "
            f"'offsets'; found {_listed(group)}."
        )
    data, offsets = group["jpeg"][()], group["offsets"][()]
    if offsets.ndim != 1 or len(offsets) < 1 or (np.diff(offsets) < 0).any() or offsets[0] != 0:
        raise OpticsError(f"{where}: 'offsets' has shape {offsets.shape}; expected (N + 1,), rising from 0.")
    if offsets[-1] != len(data):
        raise OpticsError(
            f"{where}: 'offsets' ends at byte {offsets[-1]} but 'jpeg' holds {len(data)} bytes; the file is "
            "damaged."
        )
    pictures = [
        decode(data[a:b].tobytes(), name=f"{where}, image {i}", size=size, grey=grey)
        for i, (a, b) in enumerate(pairwise(offsets))
    ]
    return stack(pictures, size=None, grey=grey, name=where)


def _resize_masks(masks: Tensor, shape: tuple[int, int], allowed: bool, where: str) -> Tensor:
    if tuple(masks.shape[-2:]) == shape:
        return masks
    if not allowed:
        raise OpticsError(
            f"{where}: masks are {tuple(masks.shape[-2:])} and images {shape} pixels; pass size=(H, W) to "
            "bring both to one size."
        )
    small = torch.nn.functional.interpolate(masks[:, None].double(), size=shape, mode="nearest-exact")
    return small[:, 0].long()


def _listed(group: h5py.Group | h5py.File) -> str:
    return ", ".join(repr(k) for k in group) or "nothing"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
