"""How long runs of `examples/configs` took, written into their heads from `results/`: `python docs/configs_page.py`."""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any, get_args

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from distill.job.config import RunConfig, load  # noqa: E402
from networks.students.spec import Control  # noqa: E402
from optics.files import write_text  # noqa: E402

CONFIGS, RESULTS = ROOT / "examples" / "configs", ROOT / "results"
TRAININGS, CONTROLS = ("teacher", "linear", "linear_kd"), get_args(Control)
# trained on an accelerator, as docs/results.md says; their result.json names the machine of the last step alone
ACCELERATED = ("cats-dogs", "cifar10", "cifar10-grey", "cifar10-large", "cifar10-linear", "cifar10-small")
H200 = "an NVIDIA H200 with sixteen trainings at a time"
_WRITTEN = re.compile(r"^# Took [^\n]*\n(?:#   ? ?[^ \n][^\n]*\n)*", re.MULTILINE)


def span(seconds: list[float]) -> str:
    """Minutes, `45 to 60`."""
    low, high = (max(1, round(edge / 60)) for edge in (min(seconds), max(seconds)))
    return str(low) if low == high else f"{low} to {high}"


def took(name: str) -> str | None:
    """How long the kept runs of a configuration took; None where none is kept."""
    kept = [json.loads((f / "result.json").read_text()) for f in sorted(RESULTS.glob(f"{name}-seed[0-9]*"))]
    if not kept:
        return None
    now, told = load(CONFIGS / f"{name}.toml"), []
    if name not in ACCELERATED or all(_accelerator(run) for run in kept):
        whole = {
            has: [sum(r["seconds"].values()) for r in kept if _has_all(r, now) is has and _plain(r, has)]
            for has in (True, False)
        }
        if whole[True] and max(whole[True]) > max(whole[False], default=0.0):
            told.append(f"{span(whole[True])} minutes with its controls, {span(whole[False])} without,")
        else:
            told.append(f"{span([*whole[True], *whole[False]])} minutes, with its controls or without,")
        told[0] += f" on {H200 if name in ACCELERATED else 'one thread of a 2-core processor'}"
    else:
        told.append(
            f"{span([_sum(r, TRAININGS) for r in kept])} minutes for teacher and both students on {H200}"
        )
        later = [r for r in kept if not _accelerator(r)]
        each = [r["seconds"][c] for r in later for c in CONTROLS if c in r["seconds"]]
        rest = [sum(r["seconds"].values()) - _sum(r, (*TRAININGS, *CONTROLS)) for r in later]
        told.append(f"{span(rest)} for the rest and {span(each)} for a control on a 2-core processor")
    if name in ACCELERATED:
        told.append("not timed on a processor alone")
    less = "; fewer noise draws or proofs than here" if any(_less(r, now) for r in kept) else ""
    return f"Took {'; '.join(told)}{less} (results/{name}-seedN)."


def _sum(run: dict[str, Any], steps: tuple[str, ...]) -> float:
    return sum(run["seconds"].get(step, 0.0) for step in steps)


def _accelerator(run: dict[str, Any]) -> bool:
    return run["environment"]["machine"].get("accelerator", "none") != "none"


def _has_all(run: dict[str, Any], now: RunConfig) -> bool:
    return set(now.student.controls) <= set(run["seconds"])


def _plain(run: dict[str, Any], controls: bool) -> bool:
    return controls or not set(CONTROLS) & set(run["seconds"])


def _less(run: dict[str, Any], now: RunConfig) -> bool:
    had = RunConfig.model_validate(run["config"])
    return any(
        getattr(getattr(had, part), key) < getattr(getattr(now, part), key)
        for part, key in (("evaluation", "draws"), ("verify", "wave_images"), ("verify", "lightpipes_images"))
    )


def written(path: Path) -> str:
    """A configuration's text with the line in its head as the kept runs have it."""
    head, name, rest = path.read_text(encoding="utf-8").partition("\nname = ")
    told = took(path.stem)
    lines = (
        textwrap.wrap(told, 118, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)
        if told
        else []
    )
    head = _WRITTEN.sub("", head + "\n").rstrip("\n")
    return "\n".join([head, *lines]) + name + rest


if __name__ == "__main__":
    for path in sorted(CONFIGS.glob("*.toml")):
        write_text(path, written(path))
