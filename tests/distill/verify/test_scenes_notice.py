"""The second engine is no rubber stamp: broken in one place, it no longer agrees with the files. One line a break.

Blind spot: the source of partially coherent light is symmetric, so the sign of its points' angles cannot be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from distill.export.write import export
from distill.verify import simulators
from distill.verify.verification import verify
from networks.onbench.display import Display
from tests.distill.export.test_every_way import WAYS, pictures, small

Break = Callable[[pytest.MonkeyPatch], None]


def engine(**changes: Callable[[Any], Any]) -> Break:
    """LightPipes built with other arguments."""

    def broken(patch: pytest.MonkeyPatch) -> None:
        true = simulators.LightPipesBench

        def build(*args: Any, **options: Any) -> Any:
            return true(*args, **options | {key: change(options[key]) for key, change in changes.items()})

        patch.setattr(simulators, "LightPipesBench", build)

    return broken


def between_stages(change: Callable[[torch.Tensor], torch.Tensor]) -> Break:
    def broken(patch: pytest.MonkeyPatch) -> None:
        system = simulators._LightPipesSystem
        true = system.at
        patch.setattr(system, "at", lambda self, field, axes: change(true(self, field, axes)))

    return broken


def inverted_dispersion(patch: pytest.MonkeyPatch) -> None:
    true = simulators.reflectance

    def shown(*args: Any, ratio: float, **options: Any) -> Any:
        return true(*args, ratio=1 / ratio, **options)

    patch.setattr(simulators, "reflectance", shown)


def channels_in_the_other_order(patch: pytest.MonkeyPatch) -> None:
    true = Display.exposures
    patch.setattr(Display, "exposures", lambda self, x: true(self, x.flip(1)))


BREAKS: dict[str, tuple[str, int | None, Break]] = {
    "the source twice as wide": ("partial", None, engine(angle=lambda a: (2 * a[0], 2 * a[1]))),
    "the source wide along y only": ("partial", None, engine(angle=lambda a: (a[0], 0.0))),
    "dispersion inverted": ("several lines", None, inverted_dispersion),
    "a tile on the other side of the axis": ("tiled", None, engine(offset=lambda o: (-o[0], o[1]))),
    "the field between stages mirrored": ("staged, fields", None, between_stages(lambda u: u.flip(-1))),
    "its phase of the other sign": ("staged, fields", None, between_stages(lambda u: u.conj())),
    "channels in the other order": ("collapsed", 3, channels_in_the_other_order),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_engine_disagrees(name, tmp_path, monkeypatch):
    case, channels, broken = BREAKS[name]
    way = WAYS[case]
    network = way.on(way.model(channels=channels), way.spec(**small(way) | {"slm.flicker": 0.0}))
    export(network, tmp_path / "out", inputs=pictures(network.in_channels), count=3)
    broken(monkeypatch)
    found = verify(tmp_path / "out", wave_images=0, lightpipes_images=1, processes=1)
    assert found.lightpipes.counts_error > 0.05
    assert not found.judged().passed
