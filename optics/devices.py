"""Which device computes: `find` turns a word into a device that is there, or says which are.

Constants are worked out on the CPU in 64 bits and moved; draws are made where their generator is (`optics.draws`). So a
device changes the rounding of a result and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import torch
from torch import nn

from optics.errors import SpecError

P = ParamSpec("P")
R = TypeVar("R")
CPU = torch.device("cpu")
AUTO = "auto"
_WITHOUT_DOUBLE = {"mps"}
_BACKENDS = ("cuda", "xpu", "mps")


def available() -> tuple[str, ...]:
    """The devices that torch can compute on here: accelerators first, by number where there are several, then "cpu"."""
    found: list[str] = []
    for name in _BACKENDS:
        backend = getattr(torch.backends if name == "mps" else torch, name, None)
        if backend is not None and backend.is_available():
            found += ["mps"] if name == "mps" else [f"{name}:{i}" for i in range(backend.device_count())]
    return (*found, "cpu")


def find(name: str) -> torch.device:
    """The device called `name`: "cpu", "cuda", "cuda:1", "mps", or "auto", the first accelerator or else the CPU.

    Raises:
        SpecError: it is not here; the line lists what is.
    """
    here = available()
    if name == AUTO:
        return torch.device(here[0])
    if name in here or f"{name}:0" in here:
        return torch.device(name)
    why = (
        " (this torch was built without CUDA)"
        if name.startswith("cuda") and torch.version.cuda is None
        else ""
    )
    raise SpecError(
        f"device {name!r} is not here{why}; there is {', '.join(here)}; {AUTO!r} takes the first."
    )


def device_of(module: nn.Module) -> torch.device:
    """Where a module computes: the device of its first parameter or buffer; the CPU where it has none."""
    for tensor in (*module.parameters(), *module.buffers()):
        return tensor.device
    return CPU


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether `device` has instructions for products of bfloat16; a processor without them takes ten times as long."""
    return device.type != "cpu" or any(
        there for name, there in torch.cpu.get_capabilities().items() if "bf16" in name
    )


@contextlib.contextmanager
def single_precision(device: torch.device) -> Iterator[None]:
    """Convolutions of float32 in float32, on CUDA too.

    Its library else rounds what goes in to TF32, whose 10 bits are fewer than a camera's. Products of matrices are
    float32 there unless the caller has said otherwise to torch.
    """
    if device.type != "cuda":
        yield
        return
    convolutions = torch.backends.cudnn.conv  # type: ignore[attr-defined]
    before = convolutions.fp32_precision
    convolutions.fp32_precision = "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before


def in_own_precision(compute: Callable[P, R]) -> Callable[P, R]:
    """A function of light that computes in the precision of its tensors where `torch.autocast` lowers it around it.

    A training loop's bfloat16 has eight bits, fewer than a camera, and no complex numbers. Electronics may have it.
    """

    @functools.wraps(compute)
    def whole(*args: P.args, **kwargs: P.kwargs) -> R:
        lowered = [kind for kind in ("cpu", *_BACKENDS) if torch.is_autocast_enabled(kind)]
        with contextlib.ExitStack() as kept:
            for kind in lowered:
                kept.enter_context(torch.autocast(kind, enabled=False))
            return compute(*args, **kwargs)

    return whole


def doubles(device: torch.device) -> torch.device:
    """Where 64-bit numbers for `device` are worked out: there, or on the CPU for one that has none."""
    return CPU if device.type in _WITHOUT_DOUBLE else device
