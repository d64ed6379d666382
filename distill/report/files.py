"""The files beside a report, as links: what the run wrote, and every file that went out to the lab."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from distill.job.ledger import CONFIG, RESULT
from distill.job.rows import BENCHES, EVALUATION

_RUN = (
    (RESULT, "every number of this page"),
    (CONFIG, "what the run was asked to do"),
    (EVALUATION, "the rows, with their draws"),
    (BENCHES, "those on a bench, and the machine that evaluated them"),
    ("calibration.json", "the camera as it was measured"),
    ("flaws.json", "what mending each flaw earns"),
    ("verify.json", "what both engines found in the files"),
)
_SOON = (RESULT,)  # written after the page, by the same step


@dataclass(frozen=True)
class Link:
    """A link to a file: its address relative to the page, the words, what it is."""

    address: str
    words: str
    meaning: str = ""


@dataclass(frozen=True)
class Group:
    """The files of one folder."""

    name: str
    links: tuple[Link, ...]


def run_files(directory: Path) -> list[Link]:
    """The run's own files that are there."""
    return [Link(name, name, what) for name, what in _RUN if name in _SOON or (directory / name).is_file()]


def exported(directory: Path, *, folder: str = "export") -> list[Group]:
    """Every file under `folder`, by the folder that it lies in; the folder's own first. Empty where it is absent."""
    top = directory / folder
    found: dict[str, list[Link]] = {}
    for path in sorted(p for p in top.rglob("*") if p.is_file()):
        place = path.relative_to(directory).as_posix()
        link = Link(quote(place), path.name, _size(path.stat().st_size))
        found.setdefault(path.parent.relative_to(directory).as_posix(), []).append(link)
    return [Group(name, tuple(links)) for name, links in sorted(found.items())]


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
