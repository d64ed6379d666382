"""A study's files for people and other programs: study.h5, study.csv, ranking.csv, study.json, study.pdf, study.png."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from distill.job.ledger import LOCK, lock_file
from distill.studies.outcomes import CELLS
from distill.studies.result import Flaw, RowOf, Study
from distill.studies.statistics import Share
from distill.studies.work import PLAN, read_plan
from optics.errors import OpticsError
from optics.files import (
    is_temporary,
    make_folder,
    remove_leftovers,
    write_bytes,
    write_csv,
    write_hdf5,
    write_json,
)

FORMATS = ("pdf", "png")
_PARTS = ("mean", "spread", "noise", "sampling", "error")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder and keep other studies out of it; the lock dies with the process.

    What a killed process left half written is removed.

    Raises:
        OpticsError: another process works there, or the folder holds other things.
    """
    if folder.exists() and not folder.is_dir():
        raise OpticsError(f"{folder} is a file; give a folder for the study (--output).")
    _refuse_strangers(folder)
    make_folder(folder)
    with lock_file(folder / LOCK, folder):
        _refuse_strangers(folder)
        remove_leftovers(folder)
        yield


def _refuse_strangers(folder: Path) -> None:
    """Raise OpticsError where files that no study wrote could be written over; a study's first file is its plan."""
    there = [p for p in folder.iterdir() if p.name != LOCK and not is_temporary(p)] if folder.exists() else []
    if there and not (folder / PLAN).is_file() and not (folder / CELLS).is_dir():
        raise OpticsError(f"{folder} is not empty and holds no study; choose another folder (--output).")
    if (folder / PLAN).is_file():
        try:
            read_plan(folder)
        except OpticsError as error:
            raise OpticsError(
                f"{error} If it is no study's, choose another folder (--output); else delete it, the benches that are "
                "done are kept."
            ) from None


def write(study: Study, *, figure: bool = True) -> list[Path]:
    """Write everything beside the cells; returns the files."""
    folder = study.folder
    write_json(folder / "study.json", study.to_dict())
    write_csv(folder / "study.csv", [_line(row) for row in study.rows])
    write_hdf5(folder / "study.h5", _arrays(study))
    written = [folder / name for name in ("study.json", "study.csv", "study.h5")]
    if study.ranking:
        write_csv(folder / "ranking.csv", [_ranked(flaw) for flaw in study.ranking])
        written.append(folder / "ranking.csv")
    if figure:
        drawn = study.figure()
        for kind in FORMATS:
            out = io.BytesIO()
            drawn.savefig(out, format=kind)
            write_bytes(folder / f"study.{kind}", out.getvalue())
            written.append(folder / f"study.{kind}")
    return written


def _line(row: RowOf) -> dict[str, Any]:
    line: dict[str, Any] = {"role": row.cell.role, "changes": json.dumps(row.cell.changes)}
    for name in ("as_is", "refit", "as_is_change", "refit_change"):
        line |= _columns(name, getattr(row, name))
    some = row.best
    return line | {
        "draws": some.draws,
        "images": some.images,
        "notes": "; ".join(row.notes),
        "key": row.cell.key,
    }


def _ranked(flaw: Flaw) -> dict[str, Any]:
    line: dict[str, Any] = {"flaw": flaw.path, "value": json.dumps(flaw.to_dict()["value"])}
    for name in ("costs", "earns", "refit_costs", "refit_earns"):
        line |= _columns(name, getattr(flaw, name))
    return line


def _columns(name: str, share: Share | None) -> dict[str, Any]:
    return {f"{name}_{part}": "" if share is None else getattr(share, part) for part in _PARTS}


def _arrays(study: Study) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Scores of every cell, and the table of their means; the cells in the order of the plan."""
    meaning = "how well each image went in each exposure, 0 to 1; (draws, images)"
    arrays: dict[str, tuple[Any, dict[str, Any]]] = {}
    for i, row in enumerate(study.rows):
        outcome = study.outcomes[row.cell.key]
        said = {"role": row.cell.role, "changes": json.dumps(row.cell.changes), "key": row.cell.key}
        for name in ("as_is", "refit"):
            scores = getattr(outcome, name)
            if scores is not None:
                arrays[f"cells/{i:05d}/{name}"] = (scores.numpy(), said | {"meaning": meaning})
    for name in ("as_is", "refit", "as_is_change", "refit_change"):
        found = [getattr(row, name) for row in study.rows]
        if any(found):
            table = [[np.nan] * len(_PARTS) if s is None else [getattr(s, p) for p in _PARTS] for s in found]
            arrays[name] = (
                np.array(table),
                {"columns": list(_PARTS), "rows": "cells in the order of the plan"},
            )
    return arrays
