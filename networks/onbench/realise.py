"""How a cascade is put on a bench, by name."""

from __future__ import annotations

from typing import Any

from torch import nn

from networks.cascade.cascade import Cascade
from networks.onbench.collapsed import OnBench
from networks.onbench.illuminated import Illuminated
from networks.onbench.staged import Staged
from networks.onbench.tiled import Tiled
from networks.readouts.readouts import Readout
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError

_KINDS: dict[str, type[OnBench]] = {"collapsed": OnBench, "tiled": Tiled, "staged": Staged}


def realisations() -> tuple[str, ...]:
    """The names that `realise` knows."""
    return tuple(_KINDS)


def realise(
    name: str, cascade: Cascade, readout: Readout, backend: nn.Module, bench: BenchSpec, **options: Any
) -> OnBench:
    """A network whose optics are on `bench` in the way called `name`; see `networks.Student.on`.

    Raises:
        OpticsError: no such way; the message lists them.
    """
    if name not in _KINDS:
        raise OpticsError(f"realisation is {name!r}; choose one of {', '.join(realisations())}.")
    if name == "collapsed":
        return collapsed_kind(bench)(cascade, readout, backend, bench, **options)
    if collapsed_kind(bench) is not OnBench:
        raise OpticsError(
            f"realisation {name!r} needs coherent light of one wavelength; bench {bench.name!r} has "
            f"{bench.light.coherence} light of {len(bench.light.lines)} wavelength(s). Choose collapsed."
        )
    return _KINDS[name](cascade, readout, backend, bench, **options)


def collapsed_kind(bench: BenchSpec) -> type[OnBench]:
    """The class for one mask a frame in the bench's light."""
    plain = bench.light.coherence == "coherent" and not bench.light.spectrum
    return OnBench if plain else Illuminated
