"""The back ends by name: built new, built again from a configuration, or built alike for other features.

A back end is a class decorated with `registered` whose `config()` gives that name under "kind" and, beside it, the
arguments of its constructor. The folder's face loads every back end, so the table is full whenever it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn

from optics.checks import OpticsError

M = TypeVar("M", bound=type[nn.Module])
_DEFAULT = "classifier"  # what the configurations of the first versions, which carry no name, describe


class _Entry(NamedTuple):
    build: Callable[..., nn.Module]
    draws: bool


_BACKENDS: dict[str, _Entry] = {}


def registered(name: str, *, draws: bool = True) -> Callable[[M], M]:
    """Decorator that adds a back end's class under `name`.

    Args:
        name: what its configuration carries under "kind".
        draws: its constructor takes a `generator` for first values; False where it only wraps another back end.

    Raises:
        OpticsError: the name is taken.
    """

    def add(backend: M) -> M:
        if name in _BACKENDS:
            raise OpticsError(f"a back end called {name!r} exists already; choose another name.")
        _BACKENDS[name] = _Entry(backend, draws)
        return backend

    return add


def backend_names() -> tuple[str, ...]:
    """Names that `create` knows: the back ends that read a camera's features themselves."""
    return tuple(name for name, entry in _BACKENDS.items() if entry.draws)


def create(
    name: str,
    features: tuple[int, int, int],
    classes: int,
    *,
    generator: torch.Generator,
    **options: Any,
) -> nn.Module:
    """The back end called `name` for features (maps, by, bx); see its class for the options.

    Raises:
        OpticsError: no back end has this name.
    """
    if name not in backend_names():
        raise _unknown(name, backend_names())
    return _BACKENDS[name].build(features, classes, **options, generator=generator)


def from_config(config: Mapping[str, Any], *, generator: torch.Generator | None = None) -> nn.Module:
    """The back end that `config()` described; its values are drawn anew, load the state to restore them.

    Raises:
        OpticsError: no back end has this name.
    """
    options = {key: _argument(value, generator) for key, value in config.items()}
    name = options.pop("kind", _DEFAULT)
    if name not in _BACKENDS:
        raise _unknown(name, tuple(_BACKENDS))
    entry = _BACKENDS[name]
    if entry.draws:
        options["generator"] = generator or torch.Generator()
    return entry.build(**options)


def _argument(value: Any, generator: torch.Generator | None) -> Any:
    """What the constructor takes for what JSON holds: a list is a tuple, a mapping another back end."""
    if isinstance(value, Mapping):
        return from_config(value, generator=generator)
    return tuple(value) if isinstance(value, list) else value


def _unknown(name: object, known: Sequence[str]) -> OpticsError:
    return OpticsError(f"no back end is called {name!r}; choose one of {', '.join(known)}.")


def description(backend: nn.Module) -> dict[str, Any]:
    """A back end's configuration, as `from_config` takes it.

    Raises:
        OpticsError: a module of the user's own, which no configuration describes.
    """
    describe = getattr(backend, "config", None)
    if describe is None:
        raise OpticsError(
            f"a {type(backend).__name__} cannot be built again; use one of networks.backends: "
            f"{', '.join(backend_names())}."
        )
    return describe()


def alike(
    backend: nn.Module, features: Sequence[int], *, square_root: bool, generator: torch.Generator
) -> nn.Module:
    """A back end like `backend` for features (maps, by, bx), its values drawn anew."""
    config = description(backend) | {"features": list(features), "square_root": square_root}
    return from_config(config, generator=generator)
