"""What the rows say in words that the numbers bear: what distillation gained, and why a control may do as well."""

from __future__ import annotations

import math

from distill.job.rows import Rows, title_of
from distill.metrics.row import Row
from distill.metrics.tasks import Difference

_NORMAL_95 = 1.96  # a normal variable lies within so many standard deviations in 95 % of cases


def error_of(row: Row) -> float:
    """Standard error of a row: of few images, and of few trainings or draws, together."""
    return math.hypot(row.uncertainty, row.spread / math.sqrt(row.draws))


def difference(row: Row, other: Row) -> tuple[float, float]:
    """`row` minus `other` in accuracy, and the standard error of that: of few images, and of few trainings or draws.

    The two are taken as independent. Networks that answer the same images agree on most of them, so that the true
    error is smaller.
    """
    return row.accuracy - other.accuracy, math.hypot(error_of(row), error_of(other))


def _of(row: Row) -> str:
    return "" if row.metric == "accuracy" else f" {row.metric}"


def distillation(rows: Rows, paired: Difference | None = None) -> str:
    """One sentence: the distilled network against the same network trained on labels alone; "" where one is absent.

    paired: their difference image by image, where it was measured; else the two rows are taken as independent.
    """
    if rows.linear is None or rows.linear_kd is None:
        return ""
    gain, error = difference(rows.linear_kd, rows.linear) if paired is None else (paired.mean, paired.error)
    half = _NORMAL_95 * error
    reached = f"{100 * rows.linear.accuracy:.1f} %{_of(rows.linear)}"
    alone = f"Trained on the labels alone, the same network reaches {reached}"
    if abs(gain) <= half:
        return (
            f"{alone}: the difference of {100 * gain:+.1f} points is within its uncertainty of ± {100 * half:.1f} "
            "points (95 %), so this run shows no effect of distillation."
        )
    word = "gains" if gain > 0.0 else "costs"
    return f"{alone}: distillation {word} {100 * abs(gain):.1f} ± {100 * half:.1f} points (95 %) here."


_CONTROLS = {
    "random_masks": "random masks reach",
    "no_mask": "a plain lens reaches",
    "shuffled": "shuffled kernels reach",
    "raw_image": "the raw image reaches",
}


def controls(rows: Rows, *, distilled: bool = True) -> str:
    """One sentence: what the controls that there are reach, distilled too or on the labels alone; "" without any."""
    there = [(said, getattr(rows, name)) for name, said in _CONTROLS.items()]
    said = ", ".join(f"{words} {100 * row.accuracy:.1f} %" for words, row in there if row is not None)
    if not said:
        return ""
    return f"{_begun(said)}." if distilled else f"On the labels alone, {said}."


_MASKS = (
    "frozen masks blur and mix the image too, the camera squares what they make, and a back end learns to read it; on "
    "easy images that is most of what trained masks give. Harder images, more of them, and longer or more trainings "
    "(student.repeats) tell the two apart."
)
_LENS = (
    "a plain lens hands the back end the image itself on finer bins, as many values as the masks give; where classes "
    "differ in where the light is, that says as much. Fewer bins, or images whose classes differ in texture, make the "
    "masks earn their place."
)
_SHUFFLED = (
    "shuffled kernels keep the size and the light of the trained ones and lose their form; where the images are told "
    "apart by how they blur and add, the form pays little."
)
_RAW = (
    "the back end reads the image itself, averaged to as many values; where classes differ in where the light is, that "
    "says as much as optics and camera do. Then the electronics alone does this task (docs/controls.md)."
)
_REFIT = (
    "the refit sees exposures of the training images with this bench's noise, a second training; noise can also act as "
    "a regulariser. It is no sign that flaws help."
)
_TEACHER = (
    "the teacher was trained for few epochs or on few images, and a large network overfits them before a linear one "
    "does. A better teacher (teacher.training) may help the student further."
)
_CENTRES = (
    "without a bench the light is computed at the pixels' centres alone; a camera collects that of whole pixels, in "
    "which fine kernels differ. Train with student.readout.oversampling = 2 (docs/cascade.md)."
)
# a row that should not do better than another, whether "as well" needs a word already, and why it may
_SURPRISES = (
    ("random_masks", "linear_kd", True, _MASKS),
    ("no_mask", "linear_kd", True, _LENS),
    ("shuffled", "linear_kd", True, _SHUFFLED),
    ("raw_image", "linear_kd", True, _RAW),
    ("linear_kd", "ideal_bench", False, _CENTRES),
    ("bench_refit", "ideal_bench", False, _REFIT),
    ("linear_kd", "teacher", False, _TEACHER),
)


def surprises(rows: Rows, *, centres: bool = False, distilled: bool = True) -> list[str]:
    """A sentence or two for every row that does as well as one that should be better: by how much, why it may.

    Args:
        rows: the table.
        centres: the network was computed from the light at the pixels' centres, and need not have been.
        distilled: the controls learned from the teacher too; else they stand beside the network that did not.
    """
    found = []
    for name, against, already, why in _SURPRISES:
        other = against if distilled or name not in _CONTROLS else "linear"
        row, better = getattr(rows, name), getattr(rows, other)
        if row is None or better is None or (why is _CENTRES and not centres):
            continue
        gain, error = difference(row, better)
        half = _NORMAL_95 * error
        if gain > half or (already and gain >= -half):
            does = "does better than" if gain > half else "does as well, within the error, as"
            found.append(
                f"{_begun(title_of(name))} {does} {title_of(other)}: {100 * gain:+.1f} ± {100 * half:.1f} points "
                f"(95 %). That may be: {why}"
            )
    return found


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]
