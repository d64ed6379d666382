"""Finished trainings of a benchmark in a JSON file, so that the same command goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill.job.config import RunConfig, load
from distill.job.ledger import key_of
from optics.errors import OpticsError
from optics.files import write_text


def run_file(config: Path, sets: Sequence[str], epochs: int | None) -> tuple[RunConfig, dict[str, Any]]:
    """A run file with the student's epochs as asked for, and `name` and `key`, which tell it from others.

    Args:
        config: the file.
        sets: `KEY=VALUE`, as of `sclc run`.
        epochs: of the students' trainings; None: the file's own.

    Raises:
        OpticsError: a file that `sclc run` would not take.
    """
    base = load(config, sets=sets)
    if epochs is not None:
        base = base.replace(**{"student.training.epochs": epochs})
    return base, {"name": base.name, "key": key_of(base.model_dump(mode="json", exclude_defaults=True))}


class Kept:
    """Figures by the name of what was trained.

    Args:
        path: the file, which need not be there yet; None keeps nothing beyond this call.
        about: what all the trainings share, as JSON can hold it.

    Attributes:
        done: the figures so far.

    Raises:
        OpticsError: the file is about other trainings.
    """

    def __init__(self, path: Path | None, about: dict[str, Any]) -> None:
        self.path, self.about = path, about
        self.done: dict[str, dict[str, float]] = {}
        if path is not None and path.is_file():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["about"] != about:
                raise OpticsError(f"{path} is of {found['about']}, not of {about}; use another file.")
            self.done = found["done"]

    def keep(self, key: str, value: dict[str, float]) -> None:
        """Add the figures of one training, and write the file."""
        self.done[key] = value
        if self.path is not None:
            write_text(self.path, json.dumps({"about": self.about, "done": self.done}, indent=1) + "\n")
