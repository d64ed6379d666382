"""The tables of `results.md` and of the README from the runs kept in `results/`: `python docs/results_page.py`.

What is kept there comes from `sclc run examples/configs/NAME.toml --set seed=N`, then `sclc results runs/NAME`.
"""

from __future__ import annotations

import math
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from distill.keeping.table import Figure, Line, results  # noqa: E402
from docs.marked import between, table  # noqa: E402

FOLDER, PAGE, README = ROOT / "results", ROOT / "docs" / "results.md", ROOT / "README.md"


@dataclass(frozen=True)
class Aim:
    """What a set's row is held against; per cent, points.

    title: the set, as a reader knows it. published: the best optical network that we know of. ideal: least figure on
    the ideal bench, or with `of_teacher` a share of the teacher's (0 to 1), or with `below` at most so many points
    below it. real: least figure on the realistic bench; `within` so many points of the ideal one. gain: least gain of
    distillation.
    """

    title: str
    published: str
    ideal: float | None = None
    of_teacher: float | None = None
    below: float | None = None
    real: float | None = None
    within: float | None = None
    gain: float | None = None

    def least(self, line: Line) -> float | None:
        """Goal on the ideal bench, in per cent."""
        teacher = 100 * line.rows["teacher"].mean
        if self.of_teacher is not None:
            return self.of_teacher * teacher
        return teacher - self.below if self.below is not None else self.ideal

    def least_real(self, line: Line) -> float | None:
        """Goal on the realistic bench, in per cent."""
        return 100 * line.rows["ideal_bench"].mean - self.within if self.within is not None else self.real


AIMS = {
    "mnist": Aim("MNIST", "98.6 built (Zheng 2024), 97.3 and 95.1 built (NTKD)", ideal=99.0, real=98.8),
    "fashion-mnist": Aim("Fashion-MNIST", "–"),
    "cifar10-grey": Aim(
        "CIFAR-10 (JPEG), grey",
        "73.8 spatially varying, 71.6 shift-invariant, 72.8 built",
        ideal=74.0,
        real=73.0,
    ),
    "cifar10-small": Aim("CIFAR-10 (JPEG), 125 k operations", "–", ideal=78.0, within=2.0),
    "cifar10": Aim("CIFAR-10 (JPEG), 0.3 M operations", "73.2 built", ideal=82.0, within=2.0),
    "cifar10-large": Aim(
        "CIFAR-10 (JPEG), 1.6 M operations", "75.6, 74.9 built (NTKD)", ideal=85.0, within=2.0
    ),
    "cifar10-linear": Aim(
        "CIFAR-10 (JPEG), strictly linear", "– (linear 67.3, here)", ideal=72.0, within=2.0, gain=3.0
    ),
    "cifar100": Aim("CIFAR-100", "32", ideal=45.0),
    "cats-dogs": Aim("Cats vs Dogs", "87 with AlexNet behind (Colburn 2019)", ideal=90.0, within=2.0),
    "imagenette": Aim("Imagenette", "–", of_teacher=0.9, within=3.0),
    "cars": Aim("cars (CamVid)", "81.2 built (Carvana)", of_teacher=0.95, within=3.0, gain=3.0),
    "faces": Aim("parts of faces (FASSEG)", "–", of_teacher=0.95, within=3.0, gain=3.0),
    "people": Aim("people (ORL)", "–", below=1.0, within=2.0),
    "strangers": Aim("strangers (ORL)", "–", below=1.0, within=2.0),
}
_SHORT = {
    "teacher": "teacher",
    "linear": "labels alone",
    "linear_kd": "distilled",
    "random_masks": "random masks",
    "no_mask": "plain lens",
    "raw_image": "raw image",
    "shuffled": "optics shuffled",
    "bench_as_is": "bench as it comes",
}
_BENCHES = {"ideal_bench": "ideal bench", "bench_refit": "realistic bench"}
_SHARE_RIGHT = "right pixels"  # mostly background


def main() -> None:
    """Write the tables between the marks of both pages."""
    lines = sorted(
        (line for line in results(folder=FOLDER).lines if line.name in AIMS),
        key=lambda line: list(AIMS).index(line.name),
    )
    between(PAGE, "tasks", _goals(lines) + "\n" + _controls(lines))
    between(PAGE, "figures", _others(lines))
    between(README, "tasks", _goals(lines))


def _goals(lines: list[Line]) -> str:
    head = [
        "set",
        "figure",
        "published",
        "ideal bench",
        "goal",
        "realistic bench",
        "goal",
        "distillation gains",
        "operations",
        "seeds",
        "NAME",
    ]
    body = []
    for line in lines:
        aim = AIMS[line.name]
        body.append(
            [
                aim.title,
                line.metric,
                aim.published,
                *_held(line.rows["ideal_bench"], aim.least(line)),
                *_held(line.rows["bench_refit"], aim.least_real(line)),
                _gained(line, aim),
                f"{line.operations['linear_kd']:,}",
                str(len(line.seeds)),
                f"`{line.name}`",
            ]
        )
    return table(head, body)


def _held(figure: Figure, least: float | None) -> tuple[str, str]:
    """The figure, and its goal, see `_tick`."""
    if least is None:
        return str(figure), "–"
    error = math.hypot(figure.sampling, figure.spread / math.sqrt(figure.seeds))
    return str(figure), f"{least:.1f}{_tick(100 * figure.mean - least, 100 * error)}"


def _tick(above: float, error: float) -> str:
    """A tick where a goal is reached; in brackets where that is by less than the figure's standard error."""
    if above < 0:
        return ""
    return " ✓" if above >= error else " (✓)"


def _controls(lines: list[Line]) -> str:
    head = [
        "set",
        *(_SHORT[row] for row in _SHORT),
        "gain ± standard error",
        "masks",
        "parameters",
        "exposures",
        "sampling",
    ]
    body = []
    for line in lines:
        aim = AIMS[line.name]
        body.append(
            [
                aim.title,
                *(line.cell(row) or "–" for row in _SHORT),
                _gained(line, aim),
                f"{line.masks} ({line.readout}, {'grey' if line.grey else 'colour'})",
                f"{line.parameters[0]:,} + {line.parameters[1]:,}",
                str(line.exposures),
                f"{100 * line.rows['linear_kd'].sampling:.1f}",
            ]
        )
    return table(head, body)


def _gained(line: Line, aim: Aim) -> str:
    """What distillation gains, and its goal where it has one: a tick where it is reached."""
    if line.gain is None:
        return "–"
    told = f"{100 * line.gain[0]:+.1f} ± {100 * line.gain[1]:.1f}"
    if aim.gain is None:
        return told
    return f"{told}{_tick(100 * line.gain[0] - aim.gain, 100 * line.gain[1])} (goal {aim.gain:.0f})"


def _others(lines: list[Line]) -> str:
    """What else is known of the answers: a line a figure, the mean over the seeds and their standard deviation."""
    rows = {name: short for name, short in (_SHORT | _BENCHES).items() if name != "bench_as_is"}
    body = [
        [AIMS[line.name].title, name, *(_other(line, row, name) for row in rows)]
        for line in lines
        for name in line.others["teacher"]
        if name != _SHARE_RIGHT
    ]
    return table(["set", "figure", *rows.values()], body)


def _other(line: Line, row: str, name: str) -> str:
    values = [100 * value for value in line.others.get(row, {}).get(name, ())]
    if not values:
        return "–"
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{spread}"


if __name__ == "__main__":
    main()
