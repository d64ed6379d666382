"""What follows from an operator alone, worked out once and kept until the operator changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import torch
from torch import Tensor

from networks.cascade.collapse import same_values

T = TypeVar("T")


class OperatorCache:
    """Values by name, each with all that it was worked out from.

    Parameters are compared by value: an optimiser, `load_state_dict`, `.data` and a swapped module all show. Buffers
    are constants; the same tensor, unchanged, is enough. What is worked out needs no gradient and serves training,
    also where it is first asked for in `torch.inference_mode`. A copy of a network starts with an empty one.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[list[Tensor], list[_Seen], Any]] = {}

    def get(
        self, name: str, parameters: Iterable[Tensor], buffers: Iterable[Tensor], make: Callable[[], T]
    ) -> T:
        """The value called `name`, from `make()` unless what it depends on is what it was."""
        values, constants = list(parameters), list(buffers)
        kept = self._kept.get(name)
        if kept is not None and same_values(kept[0], values) and _unchanged(kept[1], constants):
            value: T = kept[2]
            return value
        with torch.inference_mode(False), torch.no_grad():
            made = make()
            copies = [v.detach().clone() for v in values]
            self._kept[name] = (copies, [_Seen(c) for c in constants], made)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> OperatorCache:
        """Empty: what is kept belongs to the tensors of the original."""
        return OperatorCache()

    def __reduce__(self) -> tuple[type[OperatorCache], tuple[()]]:
        """Empty, likewise."""
        return (OperatorCache, ())


class _Seen:
    """A tensor as it was: held, so that no other takes its place in memory."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self.version = tensor, _version(tensor)


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def _unchanged(kept: list[_Seen], now: list[Tensor]) -> bool:
    return len(kept) == len(now) and all(
        k.tensor is t and k.version == _version(t) for k, t in zip(kept, now, strict=True)
    )
