"""What lies in a folder, without what archives and desktops leave there, and many picture files to one tensor."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from distill.data.arrays import stack
from distill.data.parts import Options, part_called
from distill.data.pictures import SUFFIXES, decode
from optics.errors import OpticsError
from optics.reading import check_size, read_bytes

_PASSED_OVER = ("__macosx", "thumbs.db", "desktop.ini", "@eadir")


def entered(folder: Path) -> Path:
    """The folder, or the one below it that holds everything, as archives unpack; no part is entered."""
    for _ in range(8):
        inner, own = folders_in(folder), files_in(folder)
        alone = len(inner) == 1 and part_called(inner[0].name) is None
        if not alone or any(is_picture(f) for f in own) or not folders_in(inner[0]):
            return folder
        folder = inner[0]
    return folder


def folders_in(folder: Path) -> list[Path]:
    """Subfolders by name, without hidden ones and what archives and desktops leave."""
    return [Path(e.path) for e in _entries(folder) if e.is_dir()]


def files_in(folder: Path) -> list[Path]:
    """Files by name, without hidden ones and what archives and desktops leave."""
    return [Path(e.path) for e in _entries(folder) if e.is_file()]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = [e for e in entries if not (e.name.startswith(".") or e.name.lower() in _PASSED_OVER)]
    except OSError as error:
        raise OpticsError(f"{folder} cannot be listed ({error.strerror or error}).") from error
    return sorted(found, key=lambda e: e.name)


def pictures_below(folder: Path, *, depth: int = 16) -> list[Path]:
    """Picture files in a folder and below it, in the order of their names; links to folders above are not followed."""
    found = [f for f in files_in(folder) if is_picture(f)]
    for inner in folders_in(folder) if depth else []:
        if not inner.is_symlink() or inner.resolve() not in (folder.resolve(), *folder.resolve().parents):
            found += pictures_below(inner, depth=depth - 1)
    return found


def is_picture(path: Path) -> bool:
    """Whether a file's ending is that of a picture."""
    return path.suffix.lower() in SUFFIXES


def read_pictures(folder: Path, files: Sequence[Path], options: Options) -> Tensor:
    """Picture files to float32 (N, C, H, W) in [0, 1]."""
    found, values = [], 0
    for f in files:
        found.append(
            decode(read_bytes(f), name=str(f), size=options.size, grey=options.grey, white=options.white)
        )
        values += found[-1].size
        check_size(str(folder), (values,), fix="Pass size=(H, W), or set limit.")
    if not options.grey and {p.ndim for p in found} == {2, 3}:
        first = next(f for f, p in zip(files, found, strict=True) if p.ndim == 2)
        raise OpticsError(
            f"{folder}: some pictures are grey (such as {first}) and some in colour; set data.grey = true."
        )
    return (
        stack(found, grey=options.grey, where=str(folder), names=[f.name for f in files])
        if files
        else (torch.zeros(0, 1, 1, 1))
    )
