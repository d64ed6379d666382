"""The devices that tests ask: two fake ones, always there, and real ones, skipped with a reason where they are not."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from optics import devices
from tests.fake_device import FakeDevice
from tests.scenes import error


@dataclass(frozen=True)
class Place:
    """A device: its name, what makes it, and how near its numbers are to the CPU's."""

    name: str
    enter: Callable[[], contextlib.AbstractContextManager[Any]] | None = None
    double: bool = True
    near: float = 0.0

    def same(self, got: Tensor, want: Tensor, *, loose: float = 1.0) -> None:
        """The numbers of the CPU, on this device."""
        assert got.device.type == self.name
        self.near_to(got.detach().cpu(), want, loose=loose)

    def near_to(self, got: Tensor, want: Tensor, *, loose: float = 1.0) -> None:
        """The numbers of the CPU, wherever they are; on a real device, near to them or `loose` times less near."""
        assert got.dtype == want.dtype
        assert torch.equal(got, want) if self.near == 0.0 else error(got, want) < loose * self.near

    @contextlib.contextmanager
    def here(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
        """Within it the device is there; skips the test where it cannot be."""
        if self.enter is None and not any(d.startswith(self.name) for d in devices.available()):
            pytest.skip(f"no device {self.name!r} here: {', '.join(devices.available())}")
        if self.enter is not None:
            monkeypatch.setattr(devices, "available", lambda: (self.name, "cpu"))
        if not self.double:
            monkeypatch.setattr(devices, "_WITHOUT_DOUBLE", {self.name})
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
        with self.enter() if self.enter is not None else contextlib.nullcontext():
            yield self


PLACES = {
    "fake": Place("lazy", FakeDevice),
    "fake without double": Place("lazy", lambda: FakeDevice(double=False), double=False),
    "cuda": Place("cuda", near=2e-3),
    "mps": Place("mps", double=False, near=2e-3),
}
REAL = pytest.mark.accelerator


def params(*names: str) -> list[Any]:
    """`PLACES` for `pytest.mark.parametrize`, the real ones marked."""
    return [
        pytest.param(PLACES[n], id=n, marks=[REAL] if PLACES[n].enter is None else [])
        for n in names or tuple(PLACES)
    ]
