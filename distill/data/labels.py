"""What stands in a file as answers to classes 0 .. K - 1 with names, the same in every part, by stated rules.

1. Whole numbers, however they are stored (2.0 is 2), or strings (bytes are UTF-8). Anything else, such as .5 or NaN,
   is refused with file, index and value.
2. With class names: numbers 0 .. K - 1 count from 0; where 1 .. K occur and no 0, they count from 1; strings must be
   among the names. Anything outside is refused. What `ignore` leaves out (rule 4) occurs, too.
3. Without names: the values that occur in any part, in rising order, are the classes, and their text the names.
4. A value in `ignore` (a number or a class name) is *void*: images with it are left out, pixels with it stay and count
   in no loss and no metric. In masks, 255 is void where at least two other values occur and it is no class's label;
   two values, 0 and 255, are background and object.
5. Of whole images: every class has one to learn from, and no part holds a class that the training part does not. Of
   pixels, whose lists of classes are fixed and whose subsets are small, the survey notes it; only a part without any
   pixel that counts is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from distill.data.dataset import VOID
from optics.errors import OpticsError, ShapeError
from optics.reading import as_text, check_size, listed

MOST_CLASSES = 10_000
Ignore = Sequence[int | str]


@dataclass(frozen=True)
class Classes:
    """Which stored value is which class. values: of class 0, 1, ..., numbers or strings. names: of the same."""

    values: tuple[int, ...] | tuple[str, ...]
    names: tuple[str, ...]

    def index(self, answers: NDArray[Any]) -> Tensor:
        """Stored answers, any shape, to int64 class numbers; VOID where a value is no class's."""
        order = np.argsort(np.asarray(self.values), kind="stable")
        ordered = np.asarray(self.values)[order]
        place = np.minimum(np.searchsorted(ordered, answers), len(ordered) - 1)
        found = order[place].astype(np.int64)
        found[ordered[place] != answers] = VOID
        return torch.from_numpy(found)


def plain(answers: NDArray[Any], *, where: str) -> NDArray[Any]:
    """Answers as int64 or as text, same shape; (N, 1) becomes (N,).

    Raises:
        OpticsError: a value that is no whole number, named with its index; or a type that holds no labels.
    """
    if answers.ndim == 2 and answers.shape[1] == 1:
        answers = answers[:, 0]
    if answers.ndim not in (1, 3):
        hint = " One-hot rows become labels by argmax." if answers.ndim == 2 else ""
        raise ShapeError(f"{where} has shape {answers.shape}, expected (N,), or (N, H, W) for pixels.{hint}")
    kind = answers.dtype.kind
    if kind in "OSU" or "str" in str(answers.dtype).lower():
        return _texts(answers, where)
    if kind == "b":
        return answers.astype(np.int64)
    if kind == "f":
        wrong = ~(np.isfinite(answers) & (answers == np.floor(answers)) & (np.abs(answers) < 2.0**53))
    elif kind == "u":
        wrong = answers > np.uint64(2**62)
    elif kind == "i":
        return answers.astype(np.int64)
    else:
        raise OpticsError(
            f"{where} holds values of type {answers.dtype}; labels are whole numbers or strings."
        )
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise OpticsError(
            f"{where} holds {answers[at]} at index {_index(at)}; labels are whole numbers from 0."
        )
    return answers.astype(np.int64)


def _texts(answers: NDArray[Any], where: str) -> NDArray[Any]:
    if answers.ndim != 1:
        raise OpticsError(
            f"{where} holds strings in {answers.ndim} axes; labels of pixels are whole numbers."
        )
    found = []
    for i, value in enumerate(answers.tolist()):
        if isinstance(value, bytes):
            try:
                value = value.decode("utf-8")
            except UnicodeDecodeError:
                raise OpticsError(f"{where} holds {value!r} at index {i}; it is not text in UTF-8.") from None
        if not isinstance(value, str):
            raise OpticsError(
                f"{where} holds {value!r:.40} at index {i}; labels are whole numbers or strings."
            )
        found.append(value)
    return np.asarray(found, dtype=np.str_)


def text_list(values: Any) -> tuple[str, ...]:
    """Class names from a file's attribute or lines: strings, bytes as UTF-8, numbers as their text."""
    flat = np.atleast_1d(np.asarray(values, dtype=object)).ravel().tolist()
    check_size("the class names", (len(flat),), most=MOST_CLASSES)
    return tuple(as_text(v) for v in flat)


def reconcile(
    parts: Mapping[str, tuple[str, NDArray[Any]]], names: Sequence[str] = (), *, ignore: Ignore = ()
) -> Classes:
    """The classes that all parts share; a stored value that is none of theirs is void.

    Args:
        parts: part name ("train", ...) to (where it stands, its answers as `plain` gave them).
        names: class names, where the source has them.
        ignore: values or names that are void, from the configuration.

    Raises:
        OpticsError: a label outside the classes, labels of mixed kinds, too many or fewer than two of them; where,
            index and value.
    """
    kinds = {answers.dtype.kind for _, answers in parts.values()}
    if len(kinds) > 1:
        both = " and ".join(where for where, _ in list(parts.values())[:2])
        raise OpticsError(f"{both}: some labels are numbers and some are strings; use one of them.")
    check_size("the class names", (len(names),), most=MOST_CLASSES)
    if len(set(names)) != len(names):
        twice = next(n for i, n in enumerate(names) if n in names[:i])
        raise OpticsError(f"two classes are called {twice!r}; give each class a name of its own.")
    found = sorted({v for _, answers in parts.values() for v in np.unique(answers).tolist()})
    pixels = any(answers.ndim == 3 for _, answers in parts.values())
    classes = (
        _of_texts(parts, found, names, ignore)
        if kinds == {"U"}
        else _of_numbers(parts, found, names, ignore, pixels)
    )
    if len(classes.names) < 2:
        only = f"one class, {classes.names[0]!r}" if classes.names else "no class that counts"
        where = listed([place for place, _ in parts.values()], most=2)
        raise OpticsError(f"{where}: the labels hold {only}; nothing can be learnt from fewer than two.")
    return classes


def _of_texts(
    parts: Mapping[str, tuple[str, NDArray[Any]]], found: list[str], names: Sequence[str], ignore: Ignore
) -> Classes:
    void = tuple(map(str, ignore))
    for name in void:
        if name not in found and name not in names:
            raise _no_class(name, list(names) or found)
    kept = [v for v in found if v not in void]
    if names:
        unknown = [v for v in kept if v not in names]
        if unknown:
            raise _outside(parts, unknown[0], f"one of the class names {listed(list(names))}")
        kept = [n for n in names if n not in void]
    elif all(v.removeprefix("-").isdecimal() and len(v) < 19 for v in kept):
        kept = sorted(kept, key=int)
    _check_count(parts, kept)
    return Classes(tuple(kept), tuple(kept))


def _of_numbers(
    parts: Mapping[str, tuple[str, NDArray[Any]]],
    found: list[int],
    names: Sequence[str],
    ignore: Ignore,
    pixels: bool,
) -> Classes:
    void = {int(v) for v in ignore if not isinstance(v, str)}
    for name in (v for v in ignore if isinstance(v, str)):
        if name not in names:
            raise _no_class(name, names)
    others = [v for v in found if v not in void]
    if pixels and 255 in others and len(others) > 2 and len(names) < 256:
        void.add(255)
    kept = [v for v in others if v not in void]

    def counted(values: Sequence[int], called: Sequence[str]) -> Classes:
        left = [(v, n) for v, n in zip(values, called, strict=True) if v not in void and n not in ignore]
        return Classes(tuple(v for v, _ in left), tuple(n for _, n in left))

    # what is left out tells where labels begin, too; but a 0 that is left out may stand beside 1 .. K
    whole = {v for v in (others if 0 in found else found) if not (pixels and v == 255)}
    first = 1 if 0 not in whole and {1, len(names)} <= whole else 0
    if not first and pixels and len(names) in (0, 2) and (set(kept) <= {0, 1} or set(kept) <= {0, 255}):
        return counted((0, 255 if 255 in kept else 1), tuple(names) or ("background", "object"))
    if pixels and kept == [0, 255]:
        return Classes((0, 255), ("background", "object"))
    if not names:
        if kept and kept[0] < 0:
            raise _outside(parts, kept[0], "0 or more; set data.ignore to leave such a value out")
        _check_count(parts, kept)
        return Classes(tuple(kept), tuple(str(v) for v in kept))
    allowed = range(first, first + len(names))
    outside = [v for v in kept if v not in allowed]
    if outside:
        raise _outside(
            parts, outside[0], f"{first} to {first + len(names) - 1}, as there are {len(names)} class names"
        )
    return counted(allowed, names)


def _no_class(name: str, known: Sequence[str]) -> OpticsError:
    return OpticsError(
        f"data.ignore names the class {name!r}; the classes are {listed(list(known)) or 'numbers'}."
    )


def _outside(parts: Mapping[str, tuple[str, NDArray[Any]]], value: int | str, expected: str) -> OpticsError:
    for where, answers in parts.values():
        hits = np.argwhere(answers == value)
        if len(hits):
            at = tuple(int(i) for i in hits[0])
            return OpticsError(f"{where} holds {value!r} at index {_index(at)}, expected {expected}.")
    return OpticsError(f"the labels hold {value!r}, expected {expected}.")


def _check_count(parts: Mapping[str, tuple[str, NDArray[Any]]], kept: Sequence[Any]) -> None:
    where = next(iter(parts.values()))[0] if parts else "the labels"
    if len(kept) > MOST_CLASSES:
        raise OpticsError(
            f"{where}: {len(kept)} different labels, at most {MOST_CLASSES} are classes; are these measured values?"
        )


def check_parts(labels: Mapping[str, tuple[str, Tensor]], classes: Classes) -> None:
    """Raise OpticsError unless each class has a training image and no part a class that training lacks.

    Args:
        labels: part name to (where, int64 (N,)); "train" among them, or "all".
        classes: from `reconcile`.
    """
    whole = "train" if "train" in labels else "all"
    if whole not in labels:
        return
    where, known = labels[whole]
    there = set(known.unique().tolist())
    for name, (place, found) in labels.items():
        extra = sorted(set(found.unique().tolist()) - there - {VOID})
        if extra and name != whole:
            at = int((found == extra[0]).nonzero()[0, 0])
            raise OpticsError(
                f"{place} holds class {classes.names[extra[0]]!r} (index {at}), of which {where} has no image; the "
                "parts have different classes."
            )
    missing = [classes.names[k] for k in range(len(classes.names)) if k not in there]
    if missing:
        raise OpticsError(
            f"{where} has no image of class {listed([repr(m) for m in missing])}; add some, or take the class out of "
            "the names."
        )


def check_pixels(where: str, part: str, counting: int, void: int) -> None:
    """Raise OpticsError where a part has pixels and all of them are void; `counting` and `void` count pixels."""
    if void and not counting:
        raise OpticsError(
            f"{where}: every pixel of the {part!r} part is void (255, or in data.ignore); some must have a class."
        )


def _index(at: tuple[int, ...]) -> str:
    return str(at[0]) if len(at) == 1 else str(at)
