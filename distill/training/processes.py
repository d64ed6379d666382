"""Several processes that train one model: `torchrun --nproc-per-node 4 -m distill run ...`, on one machine or more.

Every process holds the same images and weights and draws the same order, moves and mixtures; of each batch it computes
its own share. Gradients, and the statistics of normalisation layers, are summed over all of them, so that a step is the
step of one process with the whole batch, but for rounding. Dropout too is drawn for the whole batch; the noise of a
bench is each process's own.
The first process alone writes. Gradients travel by gloo, on the CPU.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from networks.seeded import Dropout, alone
from optics.errors import OpticsError

_PATIENCE = timedelta(days=7)  # others wait while the first one evaluates, exports and verifies


@dataclass(frozen=True)
class Processes:
    """This process among those that train together. rank: its number from 0; size: how many there are."""

    rank: int = 0
    size: int = 1

    @classmethod
    def joined(cls) -> Processes:
        """This process and those that torchrun started with it; alone where it was not torchrun.

        Raises:
            OpticsError: the others cannot be reached.
        """
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size < 2 or "RANK" not in os.environ:
            return cls()
        if not torch.distributed.is_initialized():
            # Its functions take the group of the moment of their import as a default, and keep it past `leave`: its
            # threads then meet an interpreter that is going, and abort. The first step of an optimiser imports it.
            importlib.import_module("torch.distributed.nn.functional")
            try:
                torch.distributed.init_process_group("gloo", timeout=_PATIENCE)
            except (RuntimeError, ValueError) as error:
                raise OpticsError(
                    f"this process cannot reach the {size - 1} others ({str(error).splitlines()[0]}); start it by "
                    "torchrun."
                ) from error
            atexit.register(_part)
        return cls(torch.distributed.get_rank(), size)

    def leave(self) -> None:
        """End the connection to the others; the end of the process does it, too."""
        if self.size > 1:
            _part()

    @property
    def first(self) -> bool:
        """Whether this one writes."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Which of `count` images are this process's; shares differ by at most one.

        Raises:
            OpticsError: fewer images than processes.
        """
        if count < self.size:
            raise OpticsError(
                f"{count} images cannot be shared by {self.size} processes; start fewer, or use a larger batch_size."
            )
        each, more = divmod(count, self.size)
        begin = self.rank * each + min(self.rank, more)
        return slice(begin, begin + each + (self.rank < more))

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, elementwise; `values` itself is left as it was."""
        if self.size == 1:
            return values
        total = values.detach().clone()
        torch.distributed.all_reduce(total)
        return total

    def whole(self, part: Tensor, count: int) -> Tensor:
        """All `count` rows, of which each process has those of its `share`."""
        if self.size == 1:
            return part
        rows = part.new_zeros(count, *part.shape[1:])
        rows[self.share(count)] = part
        return self.sum(rows)

    def place(self, count: int) -> tuple[int, int]:
        """Where this process's `count` rows begin among the rows of all processes, in order, and how many these are."""
        held = torch.zeros(self.size, dtype=torch.int64)
        held[self.rank] = count
        held = self.sum(held)
        return int(held[: self.rank].sum()), int(held.sum())

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Let every process have the sum of all gradients."""
        if self.size == 1:
            return
        held = [p.grad for p in parameters if p.grad is not None]
        real = [torch.view_as_real(g) if g.is_complex() else g for g in held]
        for dtype in dict.fromkeys(g.dtype for g in real):
            group = [g for g in real if g.dtype == dtype]
            flat = self.sum(torch.cat([g.reshape(-1) for g in group]))
            for gradient, values in zip(group, flat.split([g.numel() for g in group]), strict=True):
                gradient.copy_(values.view_as(gradient))

    def told(self, work: Callable[[], Any]) -> Any:
        """What `work` gives in the first process, in all of them: tensors, numbers, strings, nested.

        Raises:
            OpticsError: the first process met one; in every process.
        """
        if self.size == 1:
            return work()
        failure: OpticsError | None = None
        message: dict[str, Any] = {}
        if self.first:
            try:
                message = {"value": work()}
            except OpticsError as error:
                failure, message = error, {"error": str(error)}
        message = self._broadcast(message)
        if failure is not None:
            raise failure
        if "error" in message:
            raise OpticsError(message["error"])
        return message["value"]

    def _broadcast(self, message: dict[str, Any]) -> dict[str, Any]:
        buffer = io.BytesIO()
        if self.first:
            torch.save(message, buffer)
        size = torch.tensor([buffer.tell()])
        torch.distributed.broadcast(size, 0)
        data = torch.zeros(int(size), dtype=torch.uint8)
        if self.first:
            data.copy_(torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8))
        torch.distributed.broadcast(data, 0)
        if self.first:
            return message
        return dict(torch.load(io.BytesIO(data.numpy().tobytes()), weights_only=True))


ALONE = Processes()


class _Sum(torch.autograd.Function):
    """The sum over all processes, with its gradient: each process's loss depends on it."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, processes: Processes) -> Tensor:
        ctx.processes = processes
        return processes.sum(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return ctx.processes.sum(gradients[0].contiguous()), None


class SharedBatchNorm(nn.Module):
    """A batch normalisation whose statistics are those of all processes' images together.

    Its parameters and running statistics are the other one's own.

    Args:
        of: the layer that it stands for.
        processes: who trains together.
    """

    def __init__(self, of: _BatchNorm, processes: Processes) -> None:
        super().__init__()
        self.processes, self.eps, self.momentum = processes, of.eps, of.momentum
        self.weight, self.bias = of.weight, of.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(of, name))
        self.train(of.training)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C) or (B, C, ...); same shape."""
        mean, variance = self.running_mean, self.running_var
        if not self.training and isinstance(mean, Tensor) and isinstance(variance, Tensor):
            return F.batch_norm(x, mean, variance, self.weight, self.bias, False, 0.0, self.eps)
        axes = [0, *range(2, x.ndim)]
        wide = (1, -1, *[1] * (x.ndim - 2))
        count = float(self.processes.sum(torch.tensor([x.numel() / x.shape[1]], dtype=torch.float64)))
        centre = _Sum.apply(x.sum(axes), self.processes) / count
        away = x - centre.view(wide)
        spread = _Sum.apply(away.square().sum(axes), self.processes) / count
        self._remember(centre.detach(), spread.detach() * (count / max(1.0, count - 1)))
        out = away * (spread + self.eps).rsqrt().view(wide)
        if self.weight is None or self.bias is None:
            return out
        return out * self.weight.view(wide) + self.bias.view(wide)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        tracked = self.num_batches_tracked
        if not isinstance(tracked, Tensor):
            return
        tracked += 1
        share = 1.0 / float(tracked) if self.momentum is None else self.momentum
        for name, value in (("running_mean", mean), ("running_var", variance)):
            getattr(self, name).lerp_(value, share)


@contextlib.contextmanager
def shared_statistics(model: nn.Module, processes: Processes) -> Iterator[None]:
    """Let the model's batch normalisations share their statistics for a while, and its dropouts their draws."""
    if processes.size == 1:
        yield
        return
    swapped: list[tuple[nn.Module, str, nn.Module]] = []
    shared: dict[int, SharedBatchNorm] = {}
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                swapped.append((parent, name, child))
                stand_in = shared.setdefault(id(child), SharedBatchNorm(child, processes))
                setattr(parent, name, stand_in)
    dropouts = [part for part in model.modules() if isinstance(part, Dropout)]
    for dropout in dropouts:
        dropout.place = processes.place
    try:
        yield
    finally:
        for dropout in dropouts:
            dropout.place = alone
        for parent, name, child in swapped:
            setattr(parent, name, child)


def _part() -> None:
    """End the connection before the interpreter goes: its threads would find their peers gone, and abort."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
