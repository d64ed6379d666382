"""The ways onto a bench, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from networks.cascade.cascade import Cascade
from networks.onbench.arrangement import Arrangement
from networks.onbench.collapsed import Collapsed
from networks.onbench.drive import DesignedMasks, LevelMasks, MaskSource
from networks.onbench.illuminated import Illuminated
from networks.onbench.interface import BenchOptics, Setup
from networks.onbench.staged import Staged
from networks.onbench.tiled import Tiled
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError


def one_mask_a_frame(setup: Setup, source: MaskSource) -> Collapsed | Illuminated:
    """Collapsed optics in the bench's own light."""
    return Collapsed(setup, source) if simply_coherent(setup.bench) else Illuminated(setup, source)


def of_levels(setup: Setup, arrangement: Arrangement, levels: Tensor, scales: Tensor) -> BenchOptics:
    """The optics that these frames are, whatever made them.

    Args:
        setup: bench, read-out and display.
        arrangement: how the frames stand to images and answers.
        levels: (F, NY, NX) integer levels of the whole panel, of all SLMs in order.
        scales: (F,) what the masks were divided by.

    Raises:
        OpticsError: frames that cannot be arranged so.
    """
    arrangement.masks(len(levels))
    sizes = arrangement.split(len(levels))
    sources = [
        LevelMasks(part, scale, setup.bench, dtype=setup.dtype)
        for part, scale in zip(levels.split(sizes), scales.split(sizes), strict=True)
    ]
    if arrangement.stages:
        return Staged(setup, arrangement.stages, tuple(sources))
    if arrangement.tiles:
        return Tiled(setup, sources[0], arrangement.tiles)
    return one_mask_a_frame(setup, sources[0])


def simply_coherent(bench: BenchSpec) -> bool:
    """Whether the light is coherent and of one wavelength."""
    return bench.light.simple


def _collapsed(setup: Setup, cascade: Cascade, *, compensate: bool = True) -> BenchOptics:
    return one_mask_a_frame(setup, DesignedMasks(cascade, setup, compensate=compensate))


# name -> (what builds it, the options of its own)
_WAYS: dict[str, tuple[Callable[..., BenchOptics], tuple[str, ...]]] = {
    "collapsed": (_collapsed, ("compensate",)),
    "tiled": (Tiled.of, ("compensate", "tiles")),
    "staged": (Staged.of, ("compensate",)),
}


def realisations() -> tuple[str, ...]:
    """The names that `realise` knows."""
    return tuple(_WAYS)


def realise(name: str, setup: Setup, cascade: Cascade, **options: Any) -> BenchOptics:
    """A cascade as optics on a bench, in the way called `name`.

    Raises:
        OpticsError: no such way, an option that it does not take, or light that it is not made for.
    """
    if name not in _WAYS:
        raise OpticsError(f"realisation is {name!r}; choose one of {', '.join(realisations())}.")
    build, known = _WAYS[name]
    for option in options:
        if option not in known:
            raise OpticsError(
                f"realisation {name!r} has no option {option!r}; its own are {', '.join(known)}."
            )
    light = setup.bench.light
    if name != "collapsed" and not simply_coherent(setup.bench):
        raise OpticsError(
            f"realisation {name!r} needs coherent light of one wavelength; bench {setup.bench.name!r} has "
            f"{light.coherence} light of {len(light.lines)} wavelength(s). Choose collapsed."
        )
    return build(setup, cascade, **options)
