"""What a source of images holds, told before anything is trained: parts, sizes, classes, duplicates, what is wrong.

Every picture is read once, a block at a time. Pictures are the same where their pixels are, as they are read.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from distill.data import labels as answers
from distill.data.labels import Ignore
from distill.data.parts import Found, Options, Part, by_part, check_kinds, part_called, settle
from distill.data.sources import SHARE, chosen_of, chosen_of_pixels, find
from distill.data.survey.archives import opened
from optics.errors import OpticsError
from optics.reading import listed
from optics.spec import Validated

_BLOCK = 64  # images that are read at once
_TOLD = 10  # unreadable pictures, and duplicates, that are told one by one
_VALUE = re.compile(r" holds \S+ at index \(0, [\d, ]+\)")  # of one picture in an array; files have names

V = TypeVar("V")
Progress = Callable[[int, int], None]


class PartChecked(Validated):
    """One part of a source.

    images: how many. sizes: "channels x H x W" to how many pictures have it. values: least and largest, 1 is full
    white. classes: name to how many images, or pixels, have it; void: how many have none. stored: least and largest
    label as it is stored, or the first and last word. unreadable: pictures that cannot be read, the first few, each
    in one line, and unreadable_count in all. repeated: pictures that stand in this part more than once. pixels: sha256
    of every picture's shape and values as they are read, in any order: the same pictures have the same, whatever the
    files are; their answers are not in it.
    """

    images: int
    sizes: dict[str, int]
    values: tuple[float, float] | None
    classes: dict[str, int]
    void: int
    stored: tuple[int | str, int | str] | None
    unreadable: tuple[str, ...]
    unreadable_count: int
    repeated: int
    pixels: str


class Shared(Validated):
    """Pictures that stand in two parts: how many, and the first of them by their numbers in both."""

    parts: tuple[str, str]
    count: int
    pairs: tuple[tuple[int, int], ...]


class Checked(Validated):
    """What `check` found.

    source: what was looked at. kind: "classes" of whole images, or of "pixels". problems: why training on it would be
    refused, each in one line; none where it would begin. remarks: what is no reason to refuse it and worth knowing.
    """

    source: str
    kind: str
    licence: str
    class_names: tuple[str, ...]
    parts: dict[str, PartChecked]
    shared: tuple[Shared, ...]
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = Field(default=())


@dataclass
class _Seen:
    """What reading a part's pictures showed."""

    sizes: Counter[str] = field(default_factory=Counter)
    low: float = float("inf")
    high: float = float("-inf")
    digests: dict[bytes, list[int]] = field(default_factory=dict)
    wrong: list[tuple[int, str]] = field(default_factory=list)
    pixels: Counter[Any] = field(default_factory=Counter)

    def add(self, number: int, image: Tensor) -> None:
        self.sizes[" x ".join(map(str, image.shape))] += 1
        self.low, self.high = min(self.low, float(image.min())), max(self.high, float(image.max()))
        digest = hashlib.blake2b(str(tuple(image.shape)).encode(), digest_size=16)
        digest.update(image.contiguous().numpy().tobytes())
        self.digests.setdefault(digest.digest(), []).append(number)

    def pixels_digest(self) -> str:
        each = sorted(digest for digest, numbers in self.digests.items() for _ in numbers)
        return hashlib.sha256(b"".join(each)).hexdigest()


def check(
    source: str | Path,
    *,
    options: Options | None = None,
    ignore: Ignore = (),
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Checked:
    """What a source holds, whether or not training on it would begin.

    Args:
        source: as for `sources.load`, or an archive of pictures.
        options: how its images are read.
        ignore: see `sources.load`.
        cache: where downloads are kept.
        progress: called with (pictures done, pictures in all).

    Raises:
        OpticsError: nothing can be told of it: no such file, of no known kind, damaged as a whole.
    """
    with opened(source) as place:
        found = find(place, options or Options(), cache)
        total, done = sum(part.count for part in found.parts.values()), 0
        seen: dict[str, _Seen] = {}
        for name, part in found.parts.items():
            seen[name] = _Seen()
            for number in _read(part, seen[name]):
                done += 1
                if progress is not None and (done % _BLOCK == 0 or number == part.count - 1):
                    progress(done, total)
        return _told(str(source), found, seen, ignore)


def _read(part: Part, seen: _Seen) -> Iterator[int]:
    """Read every picture of a part, and its labels of pixels; gives the number of each when it is done."""
    for start in range(0, part.count, _BLOCK):
        index = torch.arange(start, min(start + _BLOCK, part.count))
        try:
            images: list[Tensor | None] = list(part.images(index))
        except OpticsError:
            images = [_one(part, int(i), seen) for i in index]
        for number, image in zip(index.tolist(), images, strict=True):
            if image is not None:
                seen.add(number, image)
                _add_mask(part, number, image, seen)
            yield number


def _one(part: Part, number: int, seen: _Seen) -> Tensor | None:
    try:
        return part.images(torch.tensor([number]))[0]
    except OpticsError as error:
        seen.wrong.append((number, str(error)))
        return None


def _add_mask(part: Part, number: int, image: Tensor, seen: _Seen) -> None:
    if part.masks is None:
        return
    try:
        mask = answers.plain(part.masks(torch.tensor([number])), where=part.where)[0]
    except OpticsError as error:
        seen.wrong.append((number, str(error)))
        return
    if mask.shape != tuple(image.shape[-2:]):
        sizes = [" x ".join(map(str, shape)) for shape in (mask.shape, image.shape[-2:])]
        line = f"{part.where}: a mask is {sizes[0]} and its picture {sizes[1]} pixels; set data.size."
        seen.wrong.append((number, line))
    values, counts = np.unique(mask, return_counts=True)
    seen.pixels.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _told(source: str, found: Found, seen: dict[str, _Seen], ignore: Ignore) -> Checked:
    problems = [line for each in seen.values() for line in _gathered(each.wrong)[:_TOLD]]
    if "all" not in found.parts:
        try:
            there = by_part(list(found.parts), where=source)
            problems += [f"{source} has no {part!r} part." for part in ("train", "test") if part not in there]
        except OpticsError as error:
            problems.append(str(error))
    sizes = Counter[str]()
    for each in seen.values():
        sizes.update(each.sizes)
    if len(sizes) > 1:
        most = ", ".join(f"{n} of {size}" for size, n in sizes.most_common(4))
        problems.append(f"{source}: pictures of {len(sizes)} sizes ({most}); set data.size, or data.grey.")
    try:
        check_kinds(found.parts)
    except OpticsError as error:
        problems.append(str(error))
    pixels = any(part.masks is not None for part in found.parts.values())
    counted, names = (_pixel_classes if pixels else _image_classes)(found, seen, ignore, problems)
    parts = {name: _part(part, seen[name], *counted[name]) for name, part in found.parts.items()}
    shared = tuple(_shared(seen))
    remarks = [
        f"{s.count} pictures stand in both {s.parts[0]!r} and {s.parts[1]!r}: a figure on one of them says less."
        for s in shared
    ]
    remarks += [
        f"{p.repeated} pictures stand more than once in {n!r}." for n, p in parts.items() if p.repeated
    ]
    if pixels:
        remarks += _unlearned(parts, names)
    return Checked(
        source=source,
        kind="pixels" if pixels else "classes",
        licence=found.licence,
        class_names=names,
        parts=parts,
        shared=shared,
        problems=tuple(problems),
        remarks=tuple(remarks),
    )


def _gathered(wrong: Sequence[tuple[int, str]]) -> list[str]:
    """What is wrong with pictures (number, why); one line for all that are wrong alike, with the first and how many."""
    alike: dict[str, list[tuple[int, str]]] = {}
    for number, line in wrong:
        alike.setdefault(_VALUE.sub("", line), []).append((number, line))
    lines = []
    for (first, line), *rest in alike.values():
        more = f" and {len(rest)} more" if rest else ""
        lines.append(f"{line} (Picture {first}{more}.)" if rest or _VALUE.search(line) else line)
    return lines


Counted = dict[str, tuple[dict[str, int], int, Any]]


def _image_classes(
    found: Found, seen: dict[str, _Seen], ignore: Ignore, problems: list[str]
) -> tuple[Counted, tuple[str, ...]]:
    """Per part: images of each class, void ones, stored labels; and the classes' names."""
    stored = {name: part.labels for name, part in found.parts.items() if part.labels is not None}
    try:
        settled, classes = settle(found, ignore=ignore)
    except OpticsError as error:
        problems.append(str(error))
        as_stored = {name: (Counter(map(str, labels.tolist())), 0, labels) for name, labels in stored.items()}
        return {n: (dict(sorted(c.items())), v, s) for n, (c, v, s) in as_stored.items()}, found.names
    labels_of = {name: part.labels for name, part in settled.items()}
    problems += _unsplit(
        labels_of, lambda there: chosen_of(there, SHARE, None, torch.Generator(), names=classes.names)
    )
    counted: Counted = {}
    for name, labels in stored.items():
        numbers = torch.bincount(settled[name].labels, minlength=len(classes.names)).tolist()
        counts = dict(zip(classes.names, numbers, strict=True))
        counted[name] = (counts, len(labels) - sum(numbers), labels)
    return counted, classes.names


def _unsplit(parts: Mapping[str, V], cut: Callable[[Mapping[str, V]], object]) -> list[str]:
    """Why no validation part can be cut, or a part is empty, if so; `parts` by their names in the source."""
    try:
        names = {"all": "all"} if "all" in parts else by_part(list(parts), where="")
        if "all" in names or {"train", "test"} <= names.keys():
            cut({part: parts[name] for part, name in names.items()})
    except OpticsError as error:
        return [str(error)]
    return []


def _pixel_classes(
    found: Found, seen: dict[str, _Seen], ignore: Ignore, problems: list[str]
) -> tuple[Counted, tuple[str, ...]]:
    stored = {
        n: (p.where, np.array(sorted(seen[n].pixels)).reshape(-1, 1, 1)) for n, p in found.parts.items()
    }
    try:
        classes = answers.reconcile(
            {n: told for n, told in stored.items() if told[1].size}, found.names, ignore=ignore
        )
    except OpticsError as error:
        problems.append(str(error))
        plain = {n: {str(k): v for k, v in sorted(seen[n].pixels.items())} for n in found.parts}
        return {n: (plain[n], 0, stored[n][1]) for n in found.parts}, found.names
    problems += _unsplit(found.parts, lambda there: chosen_of_pixels(there, SHARE, None, torch.Generator()))
    counted: Counted = {}
    for name, (_, values) in stored.items():
        counts, void = dict.fromkeys(classes.names, 0), 0
        numbers = classes.index(values).flatten().tolist() if values.size else []
        for value, number in zip(values.flatten().tolist(), numbers, strict=True):
            if number < 0:
                void += seen[name].pixels[value]
            else:
                counts[classes.names[number]] += seen[name].pixels[value]
        counted[name] = (counts, void, values)
        try:
            answers.check_pixels(found.parts[name].where, name, sum(counts.values()), void)
        except OpticsError as error:
            problems.append(str(error))
    return counted, classes.names


def _unlearned(parts: Mapping[str, PartChecked], names: Sequence[str]) -> Iterator[str]:
    """Which classes of pixels training does not see: a line for each part that shows some, one for those of no part."""
    taught = next((n for n in parts if n == "all" or part_called(n) == "train"), None)
    known = {} if taught is None else parts[taught].classes
    if not any(known.values()):  # why is among the problems
        return
    missing = [name for name in names if not known.get(name)]
    for part, told in parts.items():
        shown = [name for name in missing if told.classes.get(name)]
        if shown:
            classes = listed([repr(name) for name in shown])
            yield f"{part!r} shows {classes}, which no picture of {taught!r} does: expect an IoU of 0."
    nowhere = [name for name in missing if not any(told.classes.get(name) for told in parts.values())]
    if nowhere:
        yield (
            f"no picture shows {listed([repr(name) for name in nowhere])}, {len(nowhere)} of the {len(names)} classes: "
            "none has an IoU unless a network answers it."
        )


def _part(part: Part, seen: _Seen, classes: dict[str, int], void: int, stored: Any) -> PartChecked:
    values = np.asarray(stored).flatten()
    ends = (
        None
        if not values.size
        else (values.min().item(), values.max().item())
        if values.dtype.kind in "iu"
        else (
            str(min(values.tolist())),
            str(max(values.tolist())),
        )
    )
    return PartChecked(
        images=part.count,
        sizes=dict(seen.sizes.most_common()),
        values=(seen.low, seen.high) if seen.sizes else None,
        classes=classes,
        void=void,
        stored=ends,
        unreadable=tuple(_gathered(seen.wrong)[:_TOLD]),
        unreadable_count=len(seen.wrong),
        repeated=sum(len(numbers) - 1 for numbers in seen.digests.values()),
        pixels=seen.pixels_digest(),
    )


def _shared(seen: dict[str, _Seen]) -> Iterator[Shared]:
    names = list(seen)
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            both = sorted(
                (seen[a].digests[d][0], seen[b].digests[d][0])
                for d in seen[a].digests.keys() & seen[b].digests.keys()
            )
            if both:
                yield Shared(parts=(a, b), count=len(both), pairs=tuple(both[:_TOLD]))
