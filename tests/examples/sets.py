"""Small made-up sets in the forms that the configurations of `examples/configs` name, for `test_tiny_runs`.

Pictures are noise with a bright bar, whose place and colour say which class it is; of a pixel task the bar is the mask.
"""

from __future__ import annotations

import io
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from distill.data.cifar import CLASSES as OF_CIFAR
from tests.distill.data.test_forms import idx, save

Bytes = NDArray[np.uint8]
VOID = 255
CARS = ("rest", "car")
FACE = ("background", "skin", "hair", "eyes", "nose", "mouth")


def scene(k: int, label: int, shape: tuple[int, int], *, grey: bool = False) -> tuple[Bytes, Bytes]:
    """The k-th picture, (H, W, 3) or grey (H, W), and its mask: `label` on a bar, 0 elsewhere."""
    (ny, nx), rng = shape, np.random.default_rng(k)
    shown, mask = rng.integers(0, 90, (ny, nx, 3)), np.zeros(shape, np.uint8)
    top = label * 5 % (ny - ny // 4)
    bar = (slice(top, top + ny // 4), slice(nx // 6, nx - nx // 6))
    shown[bar] += (np.array([label % 2, label // 2 % 2, 1]) * 100 + 50).astype(shown.dtype)
    mask[bar] = label
    picture = shown.astype(np.uint8)
    return (picture.mean(2).astype(np.uint8) if grey else picture), mask


def _jpeg(picture: Bytes) -> Bytes:
    written = io.BytesIO()
    Image.fromarray(picture).save(written, "JPEG", quality=90)
    return np.frombuffer(written.getvalue(), np.uint8)


def hdf5(
    file: Path,
    shape: tuple[int, int],
    names: tuple[str, ...],
    counts: dict[str, int],
    *,
    grey: bool = False,
    masks: tuple[str, ...] = (),
) -> None:
    """A set as the HDF5 files of docs/data.md hold it: grey as `images`, colour as `jpeg`, `labels` or masks.

    Args:
        file: to write.
        shape: (H, W) of the pictures.
        names: of the classes.
        counts: images of each group.
        grey: grey pictures.
        masks: what the masks are called, the first of those is of two classes; none: one label an image.
    """
    with h5py.File(file, "w") as out:
        out.attrs["class_names"] = names
        for number, (group, count) in enumerate(counts.items()):
            labels = np.arange(count) % len(names)
            made = [scene(1000 * number + k, int(c), shape, grey=grey) for k, c in enumerate(labels)]
            pictures, bars = [m[0] for m in made], np.stack([m[1] for m in made])
            if grey:
                out[f"{group}/images"] = np.stack(pictures)
            else:
                files = [_jpeg(picture) for picture in pictures]
                out[f"{group}/jpeg"] = np.concatenate(files)
                out[f"{group}/offsets"] = np.cumsum([0, *map(len, files)])
            if not masks:
                out[f"{group}/labels"] = labels.astype(np.uint8)
            for name in masks:
                out[f"{group}/{name}"] = np.minimum(bars, 1) if name == "masks" and len(masks) > 1 else bars


def mnist(at: Path) -> None:
    """MNIST as an HDF5 file."""
    hdf5(at / "mnist.h5", (28, 28), tuple("0123456789"), {"train": 40, "test": 20}, grey=True)


def fashion_mnist(at: Path) -> None:
    """A folder of compressed idx files."""
    for part, count in (("train", 40), ("t10k", 20)):
        labels = np.arange(count) % 10
        shown = [scene(k, int(c), (28, 28), grey=True)[0] for k, c in enumerate(labels)]
        stem = at / "fashion-mnist" / part
        idx(stem.with_name(f"{part}-images-idx3-ubyte.gz"), np.stack(shown), compress=True)
        idx(stem.with_name(f"{part}-labels-idx1-ubyte.gz"), labels.astype(np.uint8), compress=True)


def cifar10(at: Path) -> None:
    """CIFAR-10 as an HDF5 file of JPEGs."""
    hdf5(at / "cifar10.h5", (32, 32), OF_CIFAR, {"train": 40, "test": 20})


def cifar100(at: Path) -> None:
    """CIFAR-100's binary folder: two pictures of each class to learn from, 20 to test."""
    folder = at / "cifar-100-binary"
    folder.mkdir()
    for part, count in (("train", 200), ("test", 20)):
        fine = np.arange(count) % 100
        shown = np.stack([scene(k, int(c), (32, 32))[0].transpose(2, 0, 1) for k, c in enumerate(fine)])
        answers = np.stack([fine // 5, fine], 1).astype(np.uint8)
        (folder / f"{part}.bin").write_bytes(np.hstack([answers, shown.reshape(count, -1)]).tobytes())
    for kind, count in (("fine", 100), ("coarse", 20)):
        (folder / f"{kind}_label_names.txt").write_text("\n".join(f"{kind}_{i}" for i in range(count)))


def cats_dogs(at: Path) -> None:
    """Two classes of JPEGs."""
    hdf5(at / "cats_vs_dogs.h5", (48, 48), ("cat", "dog"), {"train": 30, "test": 20})


def imagenette(at: Path) -> None:
    """Ten classes of JPEGs."""
    names = tuple(f"thing {i}" for i in range(10))
    hdf5(at / "high10_imagenette224.h5", (56, 56), names, {"train": 40, "test": 20})


def camvid(at: Path) -> None:
    """Masks of cars, and beside them masks of several classes, which the configuration does not ask for."""
    counts = {"train": 16, "val": 4, "test": 6}
    hdf5(at / "camvid_cars.h5", (48, 64), CARS, counts, masks=("masks", "masks_multi"))


def fasseg(at: Path) -> None:
    """Two sets in one file; the frontal one is so small that taking it would be refused or seen."""
    counts = {"train": 6, "test": 6, "multipose_train": 24, "multipose_test": 6}
    hdf5(at / "fasseg_faces.h5", (64, 56), FACE, counts, masks=("masks",))


def orl(at: Path) -> None:
    """Fourteen people, four pictures of each: ten can be strangers, and four are left."""
    names = tuple(f"s{i}" for i in range(14))
    hdf5(at / "orl_faces.h5", (56, 46), names, {"train": 42, "test": 14}, grey=True)


def _paletted(mask: Bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = Image.fromarray(mask, mode="P")
    shown.putpalette([v for c in range(256) for v in (c, 255 - c, c // 2)])
    shown.save(path)


def voc(at: Path) -> None:
    """VOC2012's folder: lists of pictures, JPEGs, masks with a palette and a void outline."""
    base = at / "VOC2012"
    lists = base / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for part, first, count in (("train", 0, 20), ("val", 20, 6)):
        stems = [f"2007_{k:06d}" for k in range(first, first + count)]
        (lists / f"{part}.txt").write_text("\n".join(stems) + "\n")
        for k, stem in enumerate(stems, start=first):
            picture, mask = scene(k, 1 + k % 20, (40, 48))
            mask[0] = VOID
            save(base / "JPEGImages" / f"{stem}.jpg", picture)
            _paletted(mask, base / "SegmentationClass" / f"{stem}.png")


def carvana(at: Path) -> None:
    """Carvana's folder: ten cars from two sides, masks as GIF."""
    for k in range(20):
        picture, mask = scene(k, 1, (40, 60))
        name = f"{k // 2:02d}e_{1 + k % 2:02d}"
        save(at / "carvana" / "train" / f"{name}.jpg", picture)
        _paletted(mask, at / "carvana" / "train_masks" / f"{name}_mask.gif")
