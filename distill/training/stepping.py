"""How one step changes the weights: groups of learning rates, schedule, clipping, a moving average, mixed precision."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from distill.training.spec import StepSpec, TrainSpec
from optics.devices import device_of, multiplies_bfloat16
from optics.errors import OpticsError

_OPTICS = "cascade"  # the part of a student that the light computes, in the names of its parameters


class Stepper:
    """Optimiser, schedule and moving average of a model's parameters and of the losses' own.

    Args:
        model: what is trained.
        losses: modules that the losses train with it.
        spec: how.
        steps: how many there will be.

    Raises:
        OpticsError: a part with a learning rate of its own that the model does not have.
    """

    def __init__(self, model: nn.Module, losses: Sequence[nn.Module], spec: TrainSpec, steps: int) -> None:
        self.model, self.spec, self.steps = model, spec, steps
        self.parameters = [p for part in (model, *losses) for p in part.parameters() if p.requires_grad]
        kind = torch.optim.AdamW if spec.optimiser == "adamw" else torch.optim.Adam
        groups = _groups(model, self.parameters, spec)
        self.optimiser = kind(groups, lr=spec.learning_rate, weight_decay=spec.weight_decay)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._rate)
        self.average = _copy(model.state_dict()) if spec.step.ema > 0 else None

    @property
    def made(self) -> int:
        """Steps so far."""
        return int(self.schedule.last_epoch)

    @property
    def rate(self) -> float:
        """The learning rate of the next step, of parts without one of their own."""
        return self._rate(self.made) * self.spec.learning_rate

    def _rate(self, step: int) -> float:
        rising = self.spec.warmup * self.steps
        if step < rising:
            return (step + 1) / (rising + 1)
        if self.spec.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1.0, self.steps - rising))))

    def step(self) -> None:
        """Change the weights by the gradients that they hold."""
        if self.spec.step.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.spec.step.clip)
        self.optimiser.step()
        self.schedule.step()
        if self.average is not None:
            decay = min(self.spec.step.ema, self.made / (9 + self.made))
            _blend(self.average, self.model.state_dict(), decay)

    def kept(self) -> dict[str, Tensor]:
        """A copy of the weights that are validated and kept: the moving average, where there is one."""
        return _copy(self.model.state_dict() if self.average is None else self.average)

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the model have the weights that are validated, for a while."""
        if self.average is None:
            yield
            return
        own = _copy(self.model.state_dict())
        self.model.load_state_dict(self.average)
        try:
            yield
        finally:
            self.model.load_state_dict(own)

    def state(self) -> dict[str, Any]:
        """Everything the next step depends on, beside the weights."""
        found: dict[str, Any] = {
            "optimiser": self.optimiser.state_dict(),
            "schedule": {"last_epoch": self.made},
        }
        return found if self.average is None else found | {"average": self.average}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.last_epoch = int(state["schedule"]["last_epoch"])
        share = self._rate(self.made)
        for group in self.optimiser.param_groups:
            group["lr"] = share * group["initial_lr"]
        self.schedule._last_lr = [group["lr"] for group in self.optimiser.param_groups]
        if self.average is not None:
            self.average = {k: v.to(self.average[k].device) for k, v in state["average"].items()}


def _groups(model: nn.Module, parameters: Sequence[nn.Parameter], spec: TrainSpec) -> list[dict[str, Any]]:
    """Parameters by learning rate: those of each named part, the longest name that fits, and the rest."""
    rates = spec.step.rates
    if not rates:
        return [{"params": list(parameters)}]
    of: dict[int, str] = {}
    for name, parameter in model.named_parameters():
        fitting = [known for known in rates if _within(known, name)]
        if fitting:
            of[id(parameter)] = max(fitting, key=len)
    names = [name for name, _ in model.named_parameters()]
    for wanted in rates:
        if not any(_within(wanted, name) for name in names):
            has = ", ".join(dict.fromkeys(_shown(name) for name in names))
            raise OpticsError(
                f"training.step.rates names {wanted!r}, which this model does not have; it has {has}."
            )
    groups: list[dict[str, Any]] = []
    parts: tuple[str | None, ...] = (None, *rates)
    for part in parts:
        members = [p for p in parameters if of.get(id(p)) == part]
        if members:
            groups.append(
                {"params": members, "lr": spec.learning_rate * (1.0 if part is None else rates[part])}
            )
    return groups


def _shown(name: str) -> str:
    """The part of a parameter as `rates` may name it: the first of its dotted name."""
    return "optics" if f".{_OPTICS}." in f".{name}." else name.split(".")[0]


def _within(part: str, name: str) -> bool:
    """Whether a part's dotted name lies in a parameter's, "optics" meaning the cascade."""
    told = _OPTICS if part == "optics" else part
    return f".{told}." in f".{name}."


@torch.no_grad()
def _blend(average: dict[str, Tensor], state: Mapping[str, Tensor], decay: float) -> None:
    for key, value in state.items():
        if value.is_floating_point() or value.is_complex():
            average[key].lerp_(value, 1 - decay)
        else:
            average[key].copy_(value)


def _copy(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in state.items()}


# ---------------------------------------------------------------------- mixed precision


def lowered(spec: StepSpec, device: torch.device) -> bool:
    """Whether a step computes in bfloat16: asked for, and no detour on this device."""
    return spec.precision == "bf16" and multiplies_bfloat16(device)


@contextlib.contextmanager
def lower_precision(model: nn.Module, spec: StepSpec) -> Iterator[None]:
    """Compute the model's electronics in bfloat16 while it trains; optics, weights and answers stay float32.

    Where the spec asks for it and the model's device has such products; see `lowered`.

    The electronics is the part called `backend`, or the whole model where it has no optics. An intensity in bfloat16
    has eight bits, fewer than a camera.
    """
    if not lowered(spec, device_of(model)):
        yield
        return
    parts = [m for name, m in model.named_modules() if name.rpartition(".")[2] == "backend"]
    optics = any(name.rpartition(".")[2] == _OPTICS for name, _ in model.named_modules())
    parts = parts[:1] if optics else [model]
    open_contexts: list[torch.autocast] = []

    def before(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        device = next((v.device.type for v in inputs if isinstance(v, Tensor)), "cpu")
        context = torch.autocast(device, torch.bfloat16, enabled=module.training)
        context.__enter__()
        open_contexts.append(context)

    def after(module: nn.Module, inputs: tuple[Any, ...], out: Any) -> Any:
        if open_contexts:
            open_contexts.pop().__exit__(None, None, None)
        return out.float() if isinstance(out, Tensor) and out.dtype == torch.bfloat16 else out

    handles = [
        handle
        for part in parts
        for handle in (
            part.register_forward_pre_hook(before),
            part.register_forward_hook(after, always_call=True),
        )
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
