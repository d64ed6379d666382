"""Any source of images as one HDF5 file of the project's own layout, which loads as the same images and labels."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distill.data.dataset import VOID, Dataset, Splits
from distill.data.labels import Ignore
from distill.data.parts import Options
from distill.data.sources import load
from distill.data.survey.archives import opened
from optics.errors import OpticsError
from optics.files import writing_hdf5
from optics.reading import home

_VOID_STORED = 255  # what stands for VOID among labels of pixels, see `distill.data.labels`
_ROWS = 64  # images of one chunk, so that a few can be read without the rest


def convert(
    source: str | Path,
    to: str | Path,
    *,
    overwrite: bool = False,
    validation: float = 0.1,
    seed: int = 0,
    ignore: Ignore = (),
    limit: int | None = None,
    options: Options | None = None,
    cache: str | Path | None = None,
) -> Splits:
    """Write a source's training, validation and test parts to an HDF5 file; gives what was written.

    `load(to)` gives the same `Splits`. Values that are whole 255ths are stored as bytes, others as float32.

    Args:
        source: as for `load`, or an archive of pictures.
        to: the file, `*.h5`.
        overwrite: replace a file that is there.
        validation: share of the parts that the source does not bring, see `load`; they are cut now.
        seed: of that cut.
        ignore: see `load`.
        limit: see `load`.
        options: how images are read.
        cache: where downloads are kept.

    Raises:
        OpticsError: the source cannot be loaded, or the file cannot be written.
    """
    path = home(to)
    if path.suffix.lower() not in (".h5", ".hdf5"):
        raise OpticsError(f"{to} is where the data go; its name must end in .h5.")
    if path.exists() and not overwrite:
        raise OpticsError(f"{path} is there already; choose another name, or --overwrite.")
    with opened(source) as place:
        told = {} if options is None else asdict(options)
        splits = load(
            place, validation=validation, seed=seed, ignore=ignore, limit=limit, cache=cache, **told
        )
        unpacked = place != source
    about = splits.train
    with writing_hdf5(path) as file:
        file.attrs["class_names"] = list(about.class_names)
        file.attrs["source"] = Path(source).name if unpacked else about.source
        file.attrs["license"] = about.licence
        for name, part in (("train", splits.train), ("val", splits.validation), ("test", splits.test)):
            _write(file.create_group(name), part)
    return splits


def _write(group: h5py.Group, part: Dataset) -> None:
    images = _stored(part.images)
    group.create_dataset(
        "images", data=images, chunks=(min(_ROWS, len(images)), *images.shape[1:]), compression=4
    )
    if not part.segmentation:
        group["labels"] = part.labels.numpy()
        return
    labels = part.labels
    if part.classes >= _VOID_STORED and bool((labels == VOID).any()):
        raise OpticsError(
            f"masks of {part.classes} classes leave no value for void pixels; name fewer classes."
        )
    small = torch.where(labels == VOID, torch.full_like(labels, _VOID_STORED), labels)
    masks = small.numpy().astype(np.uint8 if part.classes <= _VOID_STORED else np.int32)
    group.create_dataset(
        "masks", data=masks, chunks=(min(_ROWS, len(masks)), *masks.shape[1:]), compression=4
    )


def _stored(images: Tensor) -> NDArray[Any]:
    """(N, H, W) or (N, H, W, C), bytes where they say the same."""
    grey = (images * 255).round().to(torch.uint8)
    exact = bool((grey.to(torch.float32).div_(255) == images).all())
    values = (grey if exact else images).permute(0, 2, 3, 1)
    return (values[..., 0] if values.shape[-1] == 1 else values).contiguous().numpy()
