"""Picture files and arrays of pixels to float tensors, and folders with one subfolder per class."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from distill.data.dataset import Dataset
from optics.checks import OpticsError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp", ".pgm", ".ppm")


def decode(data: bytes, *, name: str, size: tuple[int, int] | None = None, grey: bool = False) -> np.ndarray:
    """One encoded picture to uint8 (H, W) or (H, W, 3), resized to `size` (H, W); `name` is for messages."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            picture.load()
            plain = picture.convert("L" if grey or picture.mode in ("1", "L", "LA") else "RGB")
        if size is not None and plain.size != (size[1], size[0]):
            plain = plain.resize(
                (size[1], size[0]), Image.Resampling.BILINEAR
            )  # Pillow's widens when it shrinks
        return np.asarray(plain)
    except (OSError, SyntaxError, ValueError) as error:
        raise OpticsError(
            f"{name} cannot be decoded ({error}); the picture is damaged or truncated."
        ) from error


def stack(
    pictures: np.ndarray | Sequence[np.ndarray],
    *,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    name: str = "the pictures",
) -> Tensor:
    """uint8 pictures (N, H, W) or (N, H, W, C) to float32 (N, C, H, W) in [0, 1]."""
    if not isinstance(pictures, np.ndarray):
        shapes = sorted({p.shape for p in pictures})
        if len(shapes) > 1:
            raise OpticsError(
                f"{name}: pictures differ in shape ({shapes[0]}, {shapes[1]}); pass size=(H, W), and "
                "grey=True where some are in colour."
            )
        pictures = np.stack(list(pictures)) if len(pictures) else np.zeros((0, 1, 1), np.uint8)
    images = torch.from_numpy(np.array(pictures, order="C")).to(torch.float32).div_(255)
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
    return resized(images, size=size, grey=grey)


def resized(images: Tensor, *, size: tuple[int, int] | None = None, grey: bool = False) -> Tensor:
    """Images (N, C, H, W) turned to grey (ITU-R 601 luma) and brought to `size` (H, W), where asked."""
    if grey and images.shape[1] == 3:
        luma = images.new_tensor([0.299, 0.587, 0.114])
        images = (images * luma[:, None, None]).sum(1, keepdim=True).clamp(0, 1)
    if size is not None and tuple(images.shape[-2:]) != tuple(size):
        images = F.interpolate(images, size=tuple(size), mode="area").clamp(0, 1)
    return images


def read_folder(
    folder: Path, *, size: tuple[int, int] | None = None, grey: bool = False
) -> dict[str, Dataset]:
    """Pictures in one subfolder per class, either directly in `folder` or in its `train`, `val`, `test`.

    Returns:
        The splits by name; a folder without `train` gives the one split "all".

    Raises:
        OpticsError: no pictures, classes that differ between the splits, or pictures that differ in shape.
    """
    inner = {p.name for p in folder.iterdir() if p.is_dir()}
    splits: dict[str, Path] = {"all": folder}
    if "train" in inner:
        splits = {n: folder / n for n in ("train", "val", "validation", "test") if n in inner}
    found = {name: _one_folder(part, size=size, grey=grey) for name, part in splits.items()}
    classes = sorted({d.class_names for d in found.values()})
    if len(classes) > 1:
        raise OpticsError(f"{folder}: the splits have different classes: {' and '.join(map(str, classes))}.")
    return found


def _one_folder(folder: Path, *, size: tuple[int, int] | None, grey: bool) -> Dataset:
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [
        (f, label)
        for label, sub in enumerate(classes)
        for f in sorted(sub.iterdir())
        if f.suffix.lower() in SUFFIXES
    ]
    if not files:
        raise OpticsError(
            f"{folder} holds no pictures; expected one subfolder per class with files such as .png or .jpg "
            "in it."
        )
    pictures = [decode(f.read_bytes(), name=str(f), size=size, grey=grey) for f, _ in files]
    return Dataset(
        images=stack(pictures, grey=grey, name=str(folder)),
        labels=torch.tensor([label for _, label in files]),
        class_names=tuple(p.name for p in classes),
        source=folder.name,
    )
