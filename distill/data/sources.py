"""One way to load images, whatever they are stored in: `load("digits")`, `load("cifar10.h5")`, a folder.

| what is given | how it is read |
|---|---|
| `digits` | the MNIST subset shipped in the package: 5000 training and 1000 test images |
| `mnist`, `cifar10` | downloaded once from their public address, sha256 checked |
| `*.h5`, `*.hdf5` | `distill.hdf5`: arrays, JPEG files, segmentation masks |
| a folder of idx files, of CIFAR `.bin` files, or CIFAR's `.tar.gz` | `distill.data.binaries` |
| a folder with one subfolder per class, or `train/` and `test/` with such | `distill.data.folders` |
"""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path

import torch

from distill.data import binaries, download, hdf5
from distill.data import folders as imagefiles
from distill.data.dataset import Dataset, Splits, limited, stratified
from optics.checks import OpticsError

__all__ = ["Dataset", "Splits", "load", "names"]

_VALIDATION = ("val", "validation", "valid")


def names() -> tuple[str, ...]:
    """Data sets that `load` knows by name."""
    return ("digits", *sorted(download.SETS))


def load(
    name_or_path: str | Path,
    *,
    validation: float = 0.1,
    seed: int = 0,
    limit: int | None = None,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    target: str | None = None,
    cache: Path | None = None,
) -> Splits:
    """Training, validation and test parts of a data set.

    The validation part is cut from the training part, class by class, by a generator with `seed`; a set that
    brings its own (a group or folder `val`) keeps it. A folder of classes without `train` and `test` gives
    its test part the same way first, with the same share.

    Args:
        name_or_path: one of `names()`, or the path of a file or folder; see the table above.
        validation: share of the training part, between 0 and 1.
        seed: of the split and of `limit`'s draw.
        limit: at most so many images of the training part (before the cut) and of the test part.
        size: (H, W) to resize to; None keeps the pictures' own.
        grey: turn colour to grey.
        target: HDF5 only: the key of the answers, such as "masks_multi"; None takes "labels", else "masks".
        cache: where downloads are kept; None is `~/.cache/spectral-cascade`.

    Raises:
        OpticsError: unknown name, unreadable or incomplete data; one line that says what is missing.
    """
    found = _read(name_or_path, size=size, grey=grey, target=target, cache=cache)
    generator = torch.Generator().manual_seed(seed)
    if "all" in found:
        rest, chosen = stratified(found["all"].labels, validation, generator)
        found = {"train": found["all"].take(rest), "test": found["all"].take(chosen)}
    for part in ("train", "test"):
        if part not in found:
            raise OpticsError(
                f"{name_or_path} has no {part!r} part; it has {', '.join(map(repr, found)) or 'none'}."
            )
    train = limited(found["train"], limit, generator)
    own = next((found[k] for k in _VALIDATION if k in found), None)
    if own is not None:
        held_out = limited(own, limit, generator)
    else:
        rest, chosen = stratified(train.labels, validation, generator)
        train, held_out = train.take(rest), train.take(chosen)
    test = limited(found["test"], limit, generator)
    _check_alike(str(name_or_path), train, test)
    return Splits(train, held_out, test)


def _read(
    name_or_path: str | Path,
    *,
    size: tuple[int, int] | None,
    grey: bool,
    target: str | None,
    cache: Path | None,
) -> dict[str, Dataset]:
    if name_or_path == "digits":
        with resources.as_file(resources.files("distill") / "assets" / "digits.h5") as path:
            return hdf5.read(path, size=size, grey=grey, target=target)
    if str(name_or_path) in download.SETS and not Path(name_or_path).exists():
        name = str(name_or_path)
        folder = (cache or Path.home() / ".cache" / "spectral-cascade") / name
        download.fetch_set(name, folder)
        path = folder / download.SETS[name][0].name
        return _resized(
            binaries.read_cifar(path) if name == "cifar10" else binaries.read_mnist(folder), size, grey
        )
    path = Path(name_or_path)
    if not path.exists():
        near = difflib.get_close_matches(str(name_or_path), names(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"give a path, or one of {', '.join(names())}."
        raise OpticsError(f"no data set and no file is called {str(name_or_path)!r}; {hint}")
    if path.is_file():
        if path.suffix in (".h5", ".hdf5", ".hdf"):
            return hdf5.read(path, size=size, grey=grey, target=target)
        if path.suffix in (".gz", ".tgz", ".tar"):
            return _resized(binaries.read_cifar(path), size, grey)
        raise OpticsError(f"{path} is of no known kind; expected .h5, CIFAR-10's .tar.gz, or a folder.")
    if binaries.find_idx(path):
        return _resized(binaries.read_mnist(path), size, grey)
    if any((path / n).is_file() for group in binaries.CIFAR_FILES.values() for n in group):
        return _resized(binaries.read_cifar(path), size, grey)
    return imagefiles.read_folder(path, size=size, grey=grey)


def _resized(found: dict[str, Dataset], size: tuple[int, int] | None, grey: bool) -> dict[str, Dataset]:
    return {k: d.with_images(imagefiles.resized(d.images, size=size, grey=grey)) for k, d in found.items()}


def _check_alike(name: str, train: Dataset, test: Dataset) -> None:
    if train.images.shape[1:] != test.images.shape[1:]:
        raise OpticsError(
            f"{name}: training images are {tuple(train.images.shape[1:])} and test images "
            f"{tuple(test.images.shape[1:])} (channels, H, W); pass size=(H, W), or grey=True."
        )
