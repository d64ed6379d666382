"""A second device where none is there: tensors that say they lie on "lazy" and refuse to meet those of the CPU.

Inside `FakeDevice()` the device "lazy", which torch knows and no build computes on, holds numbers. A tensor there keeps
its values on the CPU out of sight; every operation is checked by the rules of a real accelerator, then done by the
CPU's own code. So a table of the fake device gives the CPU's numbers bit for bit, and whatever is pinned to the CPU,
a constant, a generator, a numpy round trip, raises where it stands. The rules are those of CUDA:

- all tensors of an operation lie on one device; a number, as a tensor without axes, may come from the CPU, and so may
  an index and the source of a copy;
- a generator draws on its own device;
- `numpy()` is refused; `tolist`, `item`, `float` and `bool` bring numbers back.

`FakeDevice(double=False)` has no 64-bit floating point, as "mps" has none.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("lazy")
_LONG = (torch.float64, torch.complex128)
_MAY_MIX = (
    "aten::copy_",
    "aten::_to_copy",
    "aten::index",
    "aten::index_put",
    "aten::index_put_",
    "aten::_index_put_impl_",
)
_EAGER = {"aten::_conj": torch.ops.aten._conj_physical.default, "aten::_neg_view": torch.ops.aten.neg.default}
"""What torch marks and does later, above the place where the fake device takes over: done at once."""
_NEW = ("aten::new_", "aten::empty_like", "aten::zeros_like", "aten::ones_like", "aten::full_like")


class Elsewhere(torch.Tensor):
    """A tensor on the fake device; `held` are its values."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> Elsewhere:
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
            requires_grad=False,
        )

    def __init__(self, held: torch.Tensor) -> None:
        self.held = held

    def __repr__(self, **_: Any) -> str:
        return f"Elsewhere({tuple(self.shape)}, {self.dtype})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} met a tensor of the fake device outside `FakeDevice()`")


class FakeDevice(TorchDispatchMode):
    """Within it, "lazy" is a device; see the module.

    Args:
        double: it has 64-bit floating point.
    """

    def __init__(self, *, double: bool = True) -> None:
        super().__init__()
        self.double = double
        self.made = _Made()

    def __enter__(self) -> FakeDevice:
        self.made.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self.made.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        leaves = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        here = [t for t in leaves if isinstance(t, Elsewhere)]
        asked = kwargs.get("device")
        there = bool(here) if asked is None else torch.device(asked).type == DEVICE.type
        name = func._schema.name
        self._check(name, leaves, here, there, kwargs)
        if asked is not None and there:
            kwargs["device"] = torch.device("cpu")
        held = {id(t.held): t for t in here}
        inner_args, inner_kwargs = tree_map(
            lambda t: t.held if isinstance(t, Elsewhere) else t, (args, kwargs)
        )
        found = (_EAGER.get(name, func) if here else func)(*inner_args, **inner_kwargs)
        if not there:
            return found

        def wrapped(out: Any) -> Any:
            if not isinstance(out, torch.Tensor):
                return out
            return held[id(out)] if id(out) in held else self._wrap(out)

        return tree_map(wrapped, found)

    def _wrap(self, held: torch.Tensor) -> Elsewhere:
        if not self.double and held.dtype in _LONG:
            raise TypeError(f"the fake device has no {held.dtype}")
        return Elsewhere(held)

    def _check(
        self,
        name: str,
        leaves: list[torch.Tensor],
        here: list[Elsewhere],
        there: bool,
        kwargs: dict[str, Any],
    ) -> None:
        apart = [t for t in leaves if not isinstance(t, Elsewhere) and t.dim() > 0]
        if here and apart and name not in _MAY_MIX and not name.startswith(_NEW):
            raise RuntimeError(
                f"{name}: expected all tensors on one device, found lazy and {apart[0].device}"
            )
        if name == "aten::index" and here and not isinstance(leaves[0], Elsewhere):
            raise RuntimeError("aten::index: indices should be on the CPU, as the indexed tensor is")
        for value in kwargs.values():
            if there and isinstance(value, torch.Generator) and value.device.type == "cpu":
                raise RuntimeError(f"{name}: expected a 'lazy' device type for generator but found 'cpu'")


class _Made(TorchFunctionMode):
    """What makes tensors of Python's numbers does so on the CPU and moves them: the dispatcher never sees it begin."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") is not None:
            asked = torch.device(kwargs.pop("device"))
            return func(*args, **kwargs).to(asked)
        if func is torch.Tensor.numpy and isinstance(args[0], Elsewhere):
            raise TypeError("can't convert lazy device type tensor to numpy; use Tensor.cpu() first")
        if func is torch.Tensor.tolist and isinstance(args[0], Elsewhere):
            return args[0].cpu().tolist()
        return func(*args, **kwargs)
