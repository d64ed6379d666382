"""The rows of the table that a run ends with: which network, where, what it is called. The one place that says so."""

from __future__ import annotations

from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from distill.metrics.row import Row
from optics.spec import Validated


def _row(title: str, meaning: str, *, on_bench: bool = False) -> Any:
    """A row's field; those on a bench are always there."""
    extra: dict[str, Any] = {"on_bench": on_bench}
    if on_bench:
        return Field(title=title, description=meaning, json_schema_extra=extra)
    return Field(default=None, title=title, description=meaning, json_schema_extra=extra)


class Rows(Validated):
    """The rows, in the order in which they are shown; see `title_of`, `meaning_of` and `is_on_bench`.

    A run that trains has all but `given`, of the controls those of `student.controls`; one of a network that was given
    has that and the three on the bench.
    """

    teacher: Row | None = _row(
        "nonlinear teacher (electronic)",
        "The nonlinear network that teaches, computed on the clean images; all electronic.",
    )
    linear: Row | None = _row(
        "linear optics, trained on the labels",
        "Linear optics and a small electronic back end, trained on the labels alone; computed without a bench.",
    )
    linear_kd: Row | None = _row(
        "linear optics, distilled",
        "The same network, trained by knowledge distillation: it also learns what the teacher answers.",
    )
    random_masks: Row | None = _row(
        "control: random masks",
        "Control: the masks stay random, only the back end learns. What is above it, the masks earn.",
    )
    no_mask: Row | None = _row(
        "control: no mask, a plain lens",
        "Control: a plain lens and a back end of about the same size. What is above it, the optics earn.",
    )
    shuffled: Row | None = _row(
        "control: optics shuffled",
        "Control: the distilled network's kernels with the taps of each in another order, frozen; only the back end "
        "learns. What is above it, the form of the kernels earns.",
    )
    raw_image: Row | None = _row(
        "control: raw image",
        "Control: the image itself, averaged to as many values as the back end takes. What is above it, optics and "
        "camera earn.",
    )
    given: Row | None = _row(
        "the given network", "The network that was given, trained before; computed without a bench."
    )
    ideal_bench: Row = _row(
        "on the ideal bench",
        "The first training of linear_kd, or the given network, on the 4f bench with every flaw switched off.",
        on_bench=True,
    )
    bench_as_is: Row = _row(
        "on the realistic bench as it comes",
        "The same network on the realistic bench as it comes, with every flaw that the bench names.",
        on_bench=True,
    )
    bench_refit: Row = _row(
        "the same, back end refitted there",
        "The same masks on the same bench; the back end refitted to exposures of training images taken there.",
        on_bench=True,
    )

    def by_name(self) -> dict[str, Row]:
        """Every row that there is by its name, in order."""
        return {name: getattr(self, name) for name in ROWS if getattr(self, name) is not None}

    @model_serializer(mode="wrap")
    def _there(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: row for name, row in dump(self).items() if row is not None}


def title_of(row: str) -> str:
    """A few words for a legend."""
    return str(Rows.model_fields[row].title)


def meaning_of(row: str) -> str:
    """A sentence that says which network it is and what it is trained for."""
    return str(Rows.model_fields[row].description)


def is_on_bench(row: str) -> bool:
    """Whether the network stands on a bench, so that its draws are noise; else they are trainings."""
    extra = Rows.model_fields[row].json_schema_extra
    return isinstance(extra, dict) and extra["on_bench"] is True


BENCHES, EVALUATION = "benches.json", "evaluation.json"  # files of a run: the rows on a bench; all of them
ROWS = tuple(Rows.model_fields)
# a step of the same name trains each
TRAINED = tuple(name for name in ROWS if not is_on_bench(name) and name != "given")
STUDENTS = TRAINED[1:]
