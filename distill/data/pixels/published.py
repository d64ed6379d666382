"""Two published folders of pictures and masks as they unpack: PASCAL VOC's, and Carvana's.

    VOC2012/JPEGImages/*.jpg  VOC2012/SegmentationClass/*.png  VOC2012/ImageSets/Segmentation/{train,val}.txt
    carvana/train/*.jpg  carvana/train_masks/*_mask.gif

VOC: only what the lists name has masks. Its `val` list is the test part, since the masks of its test pictures were
never published; a validation part is cut from `train`. Classes are VOC's 21; 255 is void, as in the devkit (Everingham
et al., IJCV 88, 303 (2010)). Carvana: without a test part that has masks, one is cut by the share `validation`, of
whole cars: `CAR_01.jpg` to `CAR_16.jpg` are one car from sixteen sides, and no car stands in two parts.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from distill.data.listing import folders_in
from distill.data.parts import Found, Options
from distill.data.pixels.paired import pairs_of, part_of_pairs
from optics.errors import OpticsError
from optics.reading import listed, read_bytes

VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
_LISTS = {"train": "train", "test": "val"}


def find_voc(folder: Path, options: Options) -> Found | None:
    """VOC's devkit, at any of its usual depths; None where the folder is not one.

    Raises:
        OpticsError: a list names a picture or a mask that is not there.
    """
    home = next((f for f in (folder, *_below(folder)) if (f / "ImageSets" / "Segmentation").is_dir()), None)
    if home is None:
        return None
    masks = home / (options.target or "SegmentationClass")
    parts = {}
    for part, name in _LISTS.items():
        place = home / "ImageSets" / "Segmentation" / f"{name}.txt"
        if not place.is_file():
            raise OpticsError(f"{place} is missing; it lists the pictures of the {part} part.")
        stems = read_bytes(place, most=2**24).decode("utf-8", "replace").split()
        pairs = [(home / "JPEGImages" / f"{s}.jpg", masks / f"{s}.png") for s in stems]
        gone = [str(f.relative_to(home)) for pair in pairs for f in pair if not f.is_file()]
        if gone or not pairs:
            raise OpticsError(
                f"{place} names {len(pairs)} pictures and {len(gone)} files are missing: {listed(gone)}."
            )
        parts[part] = part_of_pairs(home / "JPEGImages", masks, pairs, options)
    return Found(parts, VOC_CLASSES if options.target is None else (), home.name)


def find_carvana(folder: Path, options: Options) -> Found | None:
    """Carvana's folder; None where the folder is not one."""
    inner = {f.name.lower(): f for f in folders_in(folder)}
    if "train_masks" not in inner or "train" not in inner:
        return None
    images, masks = inner["train"], inner["train_masks"]
    pairs = pairs_of(images, masks)
    cars: dict[str, int] = {}
    shown = [
        cars.setdefault(picture.stem.rpartition("_")[0] or picture.stem, len(cars)) for picture, _ in pairs
    ]
    part = replace(part_of_pairs(images, masks, pairs, options), groups=torch.tensor(shown))
    return Found({"all": part}, ("background", "car"), folder.name)


def _below(folder: Path) -> list[Path]:
    """VOCdevkit and VOCdevkit/VOC2012 are entered."""
    first = folders_in(folder)
    return [*first, *(f for one in first if one.name.lower() == "vocdevkit" for f in folders_in(one))]
