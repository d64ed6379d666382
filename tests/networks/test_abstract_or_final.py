"""A class is abstract or final, and what is implemented is never overridden: read-outs and ways onto a bench."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest

from networks.onbench import ways
from networks.onbench.drive import MaskSource
from networks.onbench.interface import BenchOptics
from networks.readouts.readouts import Readout

ROOTS = (BenchOptics, MaskSource, Readout)
OURS = ("networks.", "optics.")


def below(root: type) -> Iterator[type]:
    yield root
    for child in root.__subclasses__():
        yield from below(child)


CLASSES = sorted({c for root in ROOTS for c in below(root)}, key=lambda c: c.__qualname__)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_abstract_or_final(cls):
    assert inspect.isabstract(cls) or not cls.__subclasses__()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_only_what_is_abstract_is_implemented(cls):
    for base in cls.__mro__[1:]:
        if not base.__module__.startswith(OURS):
            continue
        for name, there in vars(base).items():
            if (callable(there) or isinstance(there, property)) and name in vars(cls) and name[:2] != "__":
                assert getattr(there, "__isabstractmethod__", False), f"{cls.__name__}.{name}"


def test_the_ways_are_among_them():
    assert ways.realisations() == ("collapsed", "tiled", "staged")
    assert {c.__name__ for c in below(BenchOptics) if not inspect.isabstract(c)} == {
        "Collapsed",
        "Illuminated",
        "Staged",
        "Tiled",
    }
