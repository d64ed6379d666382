"""Numbers of a description: plain ones, or tensors where a gradient is wanted; and what works on both.

`bench.replace(**{"alignment.mask_rotation": angle})` takes a scalar tensor wherever the field is declared with
`GRADIENT`. What is built from that bench then carries gradients to it; which pixels are lit, where the camera looks and
all else that is whole follows from its value. A description of plain numbers takes the same path as ever.
"""

from __future__ import annotations

import math
from typing import Any

GRADIENT = "carries a gradient"
"""Mark of a field whose number may be a tensor: `Annotated[float, GRADIENT]`."""


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor; without importing torch, which a description does not need."""
    return hasattr(value, "detach") and hasattr(value, "requires_grad")


def holds_tensor(value: Any) -> bool:
    """Whether a value, or a member of a dict, list or tuple, is a tensor."""
    if value is None or isinstance(value, float | int | str):
        return False
    if isinstance(value, dict):
        return any(holds_tensor(v) for v in value.values())
    if isinstance(value, list | tuple):
        return any(holds_tensor(v) for v in value)
    return is_tensor(value)


def plain(value: Any) -> Any:
    """The same with every tensor as the number or the nested lists that it holds, without its gradient."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(v) for v in value)
    return value.detach().tolist() if is_tensor(value) else value


def root(value: Any) -> Any:
    """Square root of a number or tensor."""
    return value.sqrt() if is_tensor(value) else math.sqrt(value)


def is_plainly(value: Any, number: float | None) -> bool:
    """Whether a value is that very number, and no tensor: one that may change is not left out for its value now."""
    return not is_tensor(value) and bool(value == number)
