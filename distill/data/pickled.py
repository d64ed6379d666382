"""CIFAR's python batches without running pickle: the few instructions that such files use, refusing all others.

A pickle is a program. Here it is read as data: numbers, strings, lists, dictionaries, and the one way in which NumPy
writes an array of bytes or numbers. A global name is a word in a list of five; nothing is imported or called by it.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from optics.errors import OpticsError
from optics.reading import check_size, reading

_MARK = object()
_MOST_STEPS = 2_000_000
_GLOBALS = {
    "numpy.core.multiarray _reconstruct": "array",
    "numpy._core.multiarray _reconstruct": "array",
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
}


@dataclass(frozen=True)
class _Name:
    """A global name from the list."""

    word: str


@dataclass
class _Type:
    """A NumPy type that is being described."""

    code: str
    order: str = "|"


@dataclass
class _Array:
    """A NumPy array that is being filled."""

    values: np.ndarray | None = None


def load(data: bytes, *, name: str) -> Any:
    """What a pickle of plain values and NumPy arrays holds: dict, list, tuple, str, bytes, numbers, ndarray.

    Strings of Python 2 come as bytes.

    Raises:
        OpticsError: it asks for anything else (a function, a class, an import), or is damaged; nothing was run.
    """
    with reading(name, "a batch of CIFAR"):
        return _finished(_Machine(name).run(data))


class _Machine:
    """The stack and the memo of one file."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        """Do every instruction; returns what the last leaves."""
        for steps, (code, argument, _) in enumerate(pickletools.genops(data)):
            if steps > _MOST_STEPS:
                raise OpticsError(
                    f"{self.name} has more than {_MOST_STEPS} instructions; that many are not read."
                )
            if code.name == "STOP":
                return self.stack.pop()
            if code.name in _VALUES:
                self.stack.append(_VALUES[code.name](argument))
            elif code.name in _ACTS:
                _ACTS[code.name](self, argument)
            else:
                raise OpticsError(
                    f"{self.name} holds the instruction {code.name}, which arrays and labels do not need; only files "
                    "that need no code are read."
                )
        raise OpticsError(f"{self.name} ends before its last instruction; it is truncated.")

    def marked(self) -> list[Any]:
        """What was pushed since the last mark, taken off."""
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                found = self.stack[i + 1 :]
                del self.stack[i:]
                return found
        raise OpticsError(f"{self.name} is damaged: a mark is missing.")

    def name_of(self, words: str) -> _Name:
        """A global name, if it is in the list."""
        if words not in _GLOBALS:
            raise OpticsError(
                f"{self.name} asks for {words.replace(' ', '.')!r:.80}; only files that need no code are read."
            )
        return _Name(_GLOBALS[words])

    def made(self, name: Any, arguments: Any) -> Any:
        """What NumPy's own description of an array stands for."""
        word = name.word if isinstance(name, _Name) else ""
        if word == "array":
            return _Array()
        if word == "dtype" and isinstance(arguments[0], str | bytes):
            code = arguments[0].decode("ascii") if isinstance(arguments[0], bytes) else arguments[0]
            if code in ("u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "b1"):
                return _Type(code)
        if word == "encode" and isinstance(arguments[0], str) and arguments[1] in ("latin1", b"latin1"):
            return arguments[0].encode("latin-1")
        raise OpticsError(
            f"{self.name} calls something that makes no array; only files that need no code are read."
        )

    def built(self, target: Any, state: Any) -> None:
        """Fill a type or an array that was begun."""
        if isinstance(target, _Type):
            order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
            target.order = order if order in ("<", ">") else "|"
        elif isinstance(target, _Array) and isinstance(state[2], _Type):
            _, shape, kind, fortran, raw = state
            check_size(self.name, shape)
            if isinstance(raw, str):
                raw = raw.encode("latin-1")
            flat = np.frombuffer(raw, np.dtype(kind.order + kind.code))
            target.values = flat.reshape(tuple(shape), order="F" if fortran else "C")
        else:
            raise OpticsError(f"{self.name} sets the state of something that is no array; it is not read.")


def _finished(value: Any) -> Any:
    """The same with the arrays in their places."""
    if isinstance(value, _Array):
        return value.values
    if isinstance(value, dict):
        return {k: _finished(v) for k, v in value.items()}
    if isinstance(value, list) and any(isinstance(v, _Array | list | dict) for v in value):
        return [_finished(v) for v in value]
    return value


def _old_text(text: str) -> bytes:
    return text.encode("latin-1")


def _same(value: Any) -> Any:
    return value


_VALUES: dict[str, Callable[[Any], Any]] = {
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "MARK": lambda _: _MARK,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
    **dict.fromkeys(("SHORT_BINSTRING", "BINSTRING"), _old_text),
    "STRING": lambda text: text.encode("latin-1") if isinstance(text, str) else text,
    **dict.fromkeys(
        (
            "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "BINFLOAT", "FLOAT", "BINUNICODE", "UNICODE",
            "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
        ),
        _same,
    ),
}  # fmt: skip


def _put(machine: _Machine, key: Any) -> None:
    machine.memo[int(key)] = machine.stack[-1]


def _memoize(machine: _Machine, _: Any) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _get(machine: _Machine, key: Any) -> None:
    machine.stack.append(machine.memo[int(key)])


def _tuple(count: int) -> Callable[[_Machine, Any], None]:
    def act(machine: _Machine, _: Any) -> None:
        if len(machine.stack) < count:
            raise OpticsError(f"{machine.name} is damaged: the stack is empty.")
        machine.stack[-count:] = [tuple(machine.stack[-count:])]

    return act


def _marked_tuple(machine: _Machine, _: Any) -> None:
    machine.stack.append(tuple(machine.marked()))


def _append(machine: _Machine, _: Any) -> None:
    _list(machine, [machine.stack.pop()])


def _appends(machine: _Machine, _: Any) -> None:
    _list(machine, machine.marked())


def _list(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, list):
        raise OpticsError(f"{machine.name} appends to something that is no list; it is not read.")
    target.extend(items)


def _setitem(machine: _Machine, _: Any) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _dict(machine, [key, value])


def _setitems(machine: _Machine, _: Any) -> None:
    _dict(machine, machine.marked())


def _dict(machine: _Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, dict) or len(items) % 2:
        raise OpticsError(f"{machine.name} sets items of something that is no dictionary; it is not read.")
    target.update(zip(items[::2], items[1::2], strict=True))


def _global(machine: _Machine, words: Any) -> None:
    machine.stack.append(machine.name_of(str(words)))


def _stack_global(machine: _Machine, _: Any) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.name_of(f"{module} {name}"))


def _reduce(machine: _Machine, _: Any) -> None:
    arguments, name = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.made(name, arguments))


def _build(machine: _Machine, _: Any) -> None:
    state = machine.stack.pop()
    machine.built(machine.stack[-1], state)


def _nothing(_: _Machine, __: Any) -> None:
    return None


_ACTS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _nothing,
    "FRAME": _nothing,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
    "MEMOIZE": _memoize,
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "TUPLE": _marked_tuple,
    "APPEND": _append,
    "APPENDS": _appends,
    "SETITEM": _setitem,
    "SETITEMS": _setitems,
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "BUILD": _build,
}
