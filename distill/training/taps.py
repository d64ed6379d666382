"""What the parts of a network give while it computes: found by name, or searched for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from networks.teachers.given import Adapted
from optics.errors import OpticsError

CAMERA = "what the camera gives the back end"
BACKEND = "backend"


def part(model: nn.Module, name: str) -> nn.Module:
    """The part of a model with a dotted name, or one that ends so; `CAMERA` is the back end, whose input counts.

    Raises:
        OpticsError: there is none.
    """
    wanted = BACKEND if name == CAMERA else name
    found = [(len(n), m) for n, m in model.named_modules() if n == wanted or n.endswith(f".{wanted}")]
    if not found and name == CAMERA:
        raise OpticsError(
            f"{type(model).__name__} is trained alone, and {name} stays as it is; name one of its own parts, as "
            "hint.student = 'mix'."
        )
    if not found:
        inner = model.network if isinstance(model, Adapted) else model
        known = [n for n, _ in inner.named_modules() if n and n.count(".") < 2]
        raise OpticsError(
            f"{type(inner).__name__} has no part called {wanted!r}; it has {', '.join(known[:20]) or 'no parts'}."
        )
    return min(found, key=lambda pair: pair[0])[1]


def has_part(model: nn.Module, name: str) -> bool:
    """Whether `part` finds one."""
    return any(n == name or n.endswith(f".{name}") for n, _ in model.named_modules())


class Taps:
    """Keeps what parts of a model gave in its last pass, while it is open.

    Args:
        model: whose parts.
        names: which, see `part`.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        self.parts = {name: part(model, name) for name in dict.fromkeys(names)}
        self.last: dict[str, Tensor] = {}

    @contextlib.contextmanager
    def open(self) -> Iterator[dict[str, Tensor]]:
        """Keep what is given inside; by name."""
        self.last = {}
        handles = []
        for name, module in self.parts.items():
            if name == CAMERA:
                handles.append(module.register_forward_pre_hook(lambda _m, x, n=name: self._keep(n, x[0])))
            else:
                handles.append(module.register_forward_hook(lambda _m, _x, out, n=name: self._keep(n, out)))
        try:
            yield self.last
        finally:
            for handle in handles:
                handle.remove()

    def _keep(self, name: str, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise OpticsError(f"{name} gives {type(value).__name__}; a part that gives one tensor is needed.")
        self.last[name] = value


def last_maps(model: nn.Module, images: Tensor) -> str:
    """The name of the last part of a model that gives feature maps (B, maps, y, x) other than its answer; or vectors.

    Raises:
        OpticsError: no part gives either.
    """
    given: list[tuple[str, Tensor]] = []
    handles = [
        module.register_forward_hook(
            lambda _m, _x, out, n=name: given.append((n, out)) if isinstance(out, Tensor) else None
        )
        for name, module in model.named_modules()
        if name
    ]
    try:
        with torch.no_grad():
            answer = model(images)
    finally:
        for handle in handles:
            handle.remove()
    inner = [(n, v) for n, v in given if v.data_ptr() != answer.data_ptr() and v.is_floating_point()]
    for ndim in (4, 2):
        names = [n for n, v in inner if v.ndim == ndim]
        if names:
            return names[-1]
    raise OpticsError(f"no part of {type(model).__name__} gives feature maps; name one that does.")
