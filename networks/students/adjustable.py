"""A network on a bench of which some numbers are parameters: trained with it, or fitted to what a bench really gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from networks.onbench.network import OnBench
from networks.students.student import Student
from optics.bench.spec import BenchSpec
from optics.checks import SpecError


class Adjustable(nn.Module):
    """A student on a bench whose named numbers are parameters beside its own.

        net = Adjustable(student, bench, {"alignment.mask_shift": 10e-6, "lens1.zernike": 0.1})

    Each number is the bench's plus `scale` times its parameter, which begins at 0: so one learning rate suits metres
    and radians. Levels are computed with the response as described; a panel whose response is adjusted answers
    otherwise.

    Args:
        student: the network.
        bench: as described.
        scales: name of a field that may hold tensors (`optics.numbers`) to the change that one unit of its parameter
            makes, in the field's own unit. All numbers of a field that holds several are adjusted.
        image_shape: (H, W) of one channel of the images; the student's own when absent.
        options: further arguments of `Student.on`.

    Raises:
        SpecError: no such field, one that holds no numbers, or one that carries no gradient.
    """

    def __init__(
        self,
        student: Student,
        bench: BenchSpec,
        scales: Mapping[str, float],
        *,
        image_shape: tuple[int, int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.student, self.described, self.scales = student, bench, dict(scales)
        self._options = {"assumed_response": bench.slm.assumed, **options}
        if image_shape is not None:
            self._options["image_shape"] = image_shape
        self.offsets = nn.ParameterList(
            nn.Parameter(torch.zeros(_values(bench, name).shape, dtype=torch.float64)) for name in scales
        )
        self.bench()  # refuses now what carries no gradient

    def bench(self) -> BenchSpec:
        """The bench as the parameters have it, its numbers tensors on the CPU with gradients to them."""
        changes = {
            name: _like(_field(self.described, name), _values(self.described, name) + scale * offset.cpu())
            for (name, scale), offset in zip(self.scales.items(), self.offsets, strict=True)
        }
        return self.described.replace(**changes)

    def adjusted(self) -> BenchSpec:
        """The same in plain numbers."""
        return self.bench().without_tensors()

    def network(self) -> OnBench:
        """The student on the bench as it is now, for one backward pass."""
        return self.student.on(self.bench(), **self._options).train(self.training)

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Images (B, in, H, W) to the back end's output; a generator draws the noise."""
        return self.network()(x, generator=generator)


def _field(bench: BenchSpec, name: str) -> Any:
    value: Any = bench
    for part in name.split("."):
        value = getattr(value, part, None)
    if value is None or value == {} or isinstance(value, str | bool):
        raise SpecError(f"{name!r} holds no number in bench {bench.name!r}; give it one there first.")
    return value


def _values(bench: BenchSpec, name: str) -> Tensor:
    value = _field(bench, name)
    return torch.tensor(list(value.values()) if isinstance(value, dict) else value, dtype=torch.float64)


def _like(field: Any, values: Tensor) -> Any:
    """Values in the form of a field: a scalar, a point, a dict by Noll index, or a table."""
    if isinstance(field, dict):
        return dict(zip(field, values.unbind(), strict=True))
    if isinstance(field, tuple) and values.ndim == 1 and len(field) == 2:
        return tuple(values.unbind())
    return values
