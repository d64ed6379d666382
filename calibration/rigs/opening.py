"""A rig from a line of text, as commands take it: `sim:TRUTH.toml`, `slmsuite:LAB.toml`, `kept:FOLDER`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from calibration.rigs.files import load_recording
from calibration.rigs.kept import kept_rig
from calibration.rigs.recording import RigError
from calibration.rigs.replay import replay_rig
from calibration.rigs.rig import Rig
from calibration.rigs.simulated import simulated_rig
from calibration.rigs.slmsuite_driver import open_slmsuite
from optics.bench.files import load_bench
from optics.bench.spec import BenchSpec

Opener = Callable[[str, BenchSpec, torch.Generator], Rig]


def _simulated(where: str, nominal: BenchSpec, generator: torch.Generator) -> Rig:
    return simulated_rig(load_bench(where), nominal, generator=generator)


def _recorded(where: str, nominal: BenchSpec, generator: torch.Generator) -> Rig:
    return replay_rig(load_recording(where, nominal), nominal)


def _kept(where: str, nominal: BenchSpec, generator: torch.Generator) -> Rig:
    if not Path(where).is_dir():
        raise RigError(f"--rig kept:{where}: there is no such folder.")
    return kept_rig(where, nominal)


def _slmsuite(where: str, nominal: BenchSpec, generator: torch.Generator) -> Rig:
    return open_slmsuite(where, nominal)


OPENERS: dict[str, tuple[str, Opener]] = {
    "recorded": ("recorded:PATH", _recorded),
    "kept": ("kept:FOLDER", _kept),
    "slmsuite": ("slmsuite:LAB.toml", _slmsuite),
    "sim": ("sim:TRUTH.toml", _simulated),
}
"""How `--rig` is written for each kind, and what opens it."""


def open_rig(text: str, nominal: BenchSpec, *, generator: torch.Generator) -> Rig:
    """The rig that `text` names, and which is called so unless it has a name.

    Args:
        text: `KIND:PLACE`, see `OPENERS`.
        nominal: the bench as its data sheets describe it.
        generator: of a simulated bench's noise.

    Raises:
        RigError: no such kind, or nothing at that place.
    """
    kind, _, where = text.partition(":")
    if kind not in OPENERS or not where:
        forms = [form for form, _ in OPENERS.values()]
        raise RigError(f"--rig {text!r}: expected {', '.join(forms[:-1])} or {forms[-1]}.")
    rig = OPENERS[kind][1](where, nominal, generator)
    rig.name = rig.name or f"{kind}:{Path(where).resolve()}"
    return rig
