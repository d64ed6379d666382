"""What modules share: constants in a working precision, a list whose members keep their type, eval mode for a while."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from optics.checks import OpticsError
from optics.conventions import complex_dtype
from optics.devices import device_of, single_precision

if TYPE_CHECKING:
    from typing_extensions import Self  # of typing itself since Python 3.11

M = TypeVar("M", bound=nn.Module)
REAL = (torch.float32, torch.float64)


def check_dtype(dtype: torch.dtype) -> None:
    """Raise OpticsError unless it is float32 or float64."""
    if dtype not in REAL:
        raise OpticsError(f"dtype is {dtype}, expected torch.float32 or torch.float64.")


@contextlib.contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Puts a module in eval mode and single precision; behind it each part is in its own again, a frozen one too."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with single_precision(device_of(module)):
            yield
    finally:
        for part, mode in modes:
            part.training = mode


class ConstantBuffers(nn.Module, ABC):
    """A module that can work out all its constants from what it describes, in either precision.

    `.double()` and `.float()` of a module leave complex buffers as they are, and a rounded constant does not become
    exact by a longer type. So a change of precision builds the constants anew (`_build`), on the same device.

    Attributes:
        dtype: float32 or float64, the working precision.
    """

    dtype: torch.dtype

    @abstractmethod
    def _build(self, dtype: torch.dtype) -> None:
        """Register every constant in `dtype`, on the CPU, by `_keep`, and set `self.dtype`."""

    def _keep(self, name: str, value: Tensor | None, dtype: torch.dtype) -> None:
        """Register a constant, real or complex, in the real type `dtype`; it is no part of the state."""
        if value is not None:
            value = value.to(complex_dtype(dtype) if value.is_complex() else dtype).contiguous()
        self.register_buffer(name, value, persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What `.to`, `.double()`, `.cuda()` and their like do to every tensor; the hook of `torch.nn.Module`."""
        wanted: torch.dtype = fn(torch.empty(0, dtype=self.dtype)).dtype
        check_dtype(wanted)
        moved: Any = super()._apply(fn, recurse)
        if wanted != self.dtype:
            device = next(self.buffers()).device
            with torch.inference_mode(False):  # what is kept must serve training too
                self._build(wanted)
            super()._apply(lambda t: t.to(device), recurse)
        return moved


class ModuleTuple(nn.Module, Generic[M]):
    """Modules in a fixed order, all of one type; `torch.nn.ModuleList` forgets which."""

    def __init__(self, members: Iterable[M]) -> None:
        super().__init__()
        for i, member in enumerate(members):
            self.add_module(str(i), member)

    def __len__(self) -> int:
        """How many."""
        return len(self._modules)

    def __iter__(self) -> Iterator[M]:
        """In order."""
        return (cast(M, member) for member in self._modules.values())

    def __getitem__(self, index: int) -> M:
        """One of them."""
        return list(self)[index]
