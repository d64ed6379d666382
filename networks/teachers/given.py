"""Teachers that the user brings: a network of their own, and what stands between it and this project's images.

    module("my.py:Net", weights="net.safetensors")      runs my.py, which is why it must be named
    Adapted(network, image_size=(224, 224), channels=3, mean=..., std=..., order=...)

Weights are read as numbers: `safetensors`, or `torch.save`'s files with `weights_only`. Exported programs, which need
no code, are read by `networks.teachers.program`.
"""

from __future__ import annotations

import copy
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import safetensors
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from networks.teachers.program import ExportedProgram
from optics.errors import OpticsError
from optics.reading import home, listed, reading, reason, regular_file

GREY = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as pictures are turned grey
_WRAPPED = (
    "state_dict",
    "model_state_dict",
    "model",
    "net",
)  # names under which training scripts keep the weights
_BEFORE = (
    "module.",
    "_orig_mod.",
    "model.",
    "net.",
)  # what DataParallel, torch.compile and scripts put before names
_LOGITS = ("logits", "out")  # where networks that give more than one thing keep them


class Adapted(nn.Module):
    """A network behind what it expects of its images, and with its classes in the order of the data's.

    Args:
        network: images (B, channels, H', W') to logits (B, classes), or of each pixel (B, classes, H'', W'').
        image_size: (H', W') that it takes, bilinear with antialiasing; None takes the images' own.
        channels: that it takes: 3 of a grey image are three times the same, 1 of a colour one its grey; None takes
            the images' own.
        mean: taken from each channel's values, which lie in [0, 1]; one for all, or one each.
        std: by which they are divided then.
        order: its class `order[k]` is class k of the data; None where they stand alike.
    """

    mean: Tensor
    std: Tensor
    order: Tensor | None

    def __init__(
        self,
        network: nn.Module,
        *,
        image_size: tuple[int, int] | None = None,
        channels: int | None = None,
        mean: Sequence[float] = (0.0,),
        std: Sequence[float] = (1.0,),
        order: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.network, self.image_size, self.channels = in_single_precision(network), image_size, channels
        self.most = -1 if order is None else max(order)
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32)[:, None, None], persistent=False)
        index = None if order is None else torch.tensor(order, dtype=torch.int64)
        self.register_buffer("order", index, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) of 0 to 1 to logits (B, classes), or (B, classes, H, W)."""
        shape = x.shape[-2:]
        if self.channels is not None and self.channels != x.shape[1]:
            if self.channels == 1:
                x = (x * x.new_tensor(GREY)[:, None, None]).sum(1, keepdim=True)
            else:
                x = x.expand(-1, self.channels, -1, -1)
        if self.image_size is not None and tuple(shape) != self.image_size:
            x = F.interpolate(x, self.image_size, mode="bilinear", align_corners=False, antialias=True)
        self._check(x)
        found = logits_of(self.network((x - self.mean) / self.std))
        if self.order is not None:
            if found.shape[1] <= self.most:
                raise OpticsError(
                    f"the teacher answers with {found.shape[1]} classes and teacher.classes lists {self.most + 1} or "
                    "more; list its own classes, in its own order."
                )
            found = found.index_select(1, self.order)
        if found.ndim == 4 and found.shape[-2:] != shape:
            found = F.interpolate(found, shape, mode="bilinear", align_corners=False)
        return found

    def _check(self, x: Tensor) -> None:
        """Raise OpticsError where an exported program says that it was exported for other images."""
        expects = self.network.expects if isinstance(self.network, ExportedProgram) else ()
        if len(expects) != 3:
            return
        channels, *size = expects
        if channels not in (None, x.shape[1]):
            raise OpticsError(
                f"the exported program was exported for images of {channels} channels and is given {x.shape[1]}; set "
                f"teacher.channels = {channels}."
            )
        wanted = [n if told is None else told for told, n in zip(size, x.shape[-2:], strict=True)]
        if wanted != list(x.shape[-2:]):
            raise OpticsError(
                f"the exported program was exported for images of {wanted[0]} x {wanted[1]} pixels and is given "
                f"{x.shape[-2]} x {x.shape[-1]}; set teacher.image_size = {wanted}."
            )


def logits_of(found: Any) -> Tensor:
    """The logits in what a network gives: a tensor, or one that stands in a dictionary, an object or a sequence.

    Raises:
        OpticsError: there is none, or not (B, classes) or (B, classes, y, x).
    """
    held = found
    if isinstance(held, Mapping):
        places = [name for name in _LOGITS if name in held] or (list(held) if len(held) == 1 else [])
        held = held[places[0]] if places else held
    elif not isinstance(held, Tensor) and isinstance(getattr(held, "logits", None), Tensor):
        held = held.logits
    elif isinstance(held, Sequence) and held:
        held = held[0]
    if not isinstance(held, Tensor) or held.ndim not in (2, 4):
        names = f" of {listed(sorted(map(str, found)))}" if isinstance(found, Mapping) else ""
        shape = f" of shape {tuple(held.shape)}" if isinstance(held, Tensor) else ""
        raise OpticsError(
            f"the teacher gives a {type(found).__name__}{names}{shape}, expected logits (B, classes) or "
            f"(B, classes, y, x): a tensor, or one named {' or '.join(_LOGITS)}, or the first of several."
        )
    return held


def in_single_precision(network: nn.Module) -> nn.Module:
    """The network itself, or where it holds numbers of another precision than float32, a copy in that."""
    held = (*network.parameters(), *network.buffers())
    if all(v.dtype == torch.float32 for v in held if v.is_floating_point()):
        return network
    return copy.deepcopy(network).float()


def module(name: str, *, weights: str | Path, options: Mapping[str, Any] | None = None) -> nn.Module:
    """The user's own network with its weights, in `eval` mode. Runs the file that `name` names.

    Args:
        name: "my.py:Net": a file, and what in it makes the network: a class or a function.
        weights: its state dictionary: `*.safetensors`, or `*.pt` without anything but tensors.
        options: arguments for it, by name.

    Raises:
        OpticsError: no such file or name, an error in it, not a network, or weights of another one.
    """
    path, _, attribute = name.rpartition(":")
    if not path or not attribute.isidentifier():
        raise OpticsError(f"teacher.module is {name!r}, expected a file and a name in it, as my.py:Net.")
    make = getattr(_run(regular_file(home(path), what="file of a network")), attribute, None)
    if make is None:
        raise OpticsError(f"{path} has no {attribute!r} (teacher.module = {name!r}).")
    try:
        network = make(**(options or {})) if callable(make) and not isinstance(make, nn.Module) else make
    except Exception as error:  # the user's code may raise anything
        raise OpticsError(
            f"{name} cannot be made ({type(error).__name__}: {reason(error)}); its arguments are teacher.options."
        ) from error
    if not isinstance(network, nn.Module):
        raise OpticsError(f"{name} gives a {type(network).__name__}, expected a torch.nn.Module.")
    _load(network, home(weights))
    return network.eval()


def _run(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"_given_teacher_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise OpticsError(f"{path} is no Python file; teacher.module names one, as my.py:Net.")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = loaded
    sys.path.insert(0, str(path.parent))  # what it imports beside itself
    try:
        spec.loader.exec_module(loaded)
    except Exception as error:  # the user's code may raise anything
        raise OpticsError(f"{path} cannot be run ({type(error).__name__}: {reason(error)}).") from error
    finally:
        sys.path.remove(str(path.parent))
    return loaded


def _load(network: nn.Module, path: Path) -> None:
    state = _state(regular_file(path, what="file of weights"))
    wanted = network.state_dict()
    while state.keys() != wanted.keys():
        before = [b for b in _BEFORE if all(k.startswith(b) for k in state) and state]
        if not before or all(k.startswith(before[0]) for k in wanted):
            break
        state = {key.removeprefix(before[0]): value for key, value in state.items()}
    missing, more = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if missing or more:
        told = [
            f"{word} {listed(keys)}" for word, keys in (("lack", missing), ("have besides", more)) if keys
        ]
        raise OpticsError(f"{path}: the weights are not those of the network; they {' and '.join(told)}.")
    for key, value in wanted.items():
        if state[key].shape != value.shape:
            raise OpticsError(
                f"{path}: {key!r} has shape {tuple(state[key].shape)} and the network {tuple(value.shape)}."
            )
    network.load_state_dict(state)


def _state(path: Path) -> dict[str, Tensor]:
    if path.suffix.lower() == ".safetensors":
        with reading(path, "safetensors"), safetensors.safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
    with reading(path, "weights that torch.save wrote"):
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
        except UnpicklingError:
            raise OpticsError(
                f"{path} holds more than tensors, or is damaged; save torch.save(network.state_dict(), ...), or as "
                "safetensors."
            ) from None
    for name in _WRAPPED:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
    if not isinstance(found, Mapping) or not all(isinstance(v, Tensor) for v in found.values()):
        raise OpticsError(f"{path} is no state dictionary: expected names with tensors.")
    return dict(found)
