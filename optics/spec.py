"""What every description shares: frozen, validated, SI units; and that of hardware: flaws that can be switched off.

A field declared with `flaw(...)` is an imperfection whose default is its ideal value, so that *ideal and realistic
optics are the same object built from different specs*. `spec.ideal()` returns the same geometry with every flaw at
its ideal value; there is no second code path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from optics.checks import SpecError
from optics.numbers import GRADIENT, holds_tensor, plain
from optics.toml_errors import explain

if TYPE_CHECKING:  # pydantic's metaclass has no public name
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

M = TypeVar("M", bound=BaseModel)
V = TypeVar("V", bound="Validated")
S = TypeVar("S", bound="Spec")


def flaw(ideal: Any, **constraints: Any) -> Any:
    """A field whose `ideal` value means that the imperfection is absent; `constraints` go to pydantic's Field."""
    extra: dict[str, Any] = {"flaw": True}
    return Field(default=ideal, json_schema_extra=extra, **constraints)


SHIFT = (1e-7, 2e-3)
"""Metres: how far elements on a bench usually stand from where they should."""

_UNITS = {"mm": 1e-3, "um": 1e-6, "nm": 1e-9}


def metres(low: float, high: float, *, usual: tuple[float, float] | None = None) -> AfterValidator:
    """A check of a length, or of each of several: between `low` and `high` metres, or which unit was meant.

    Args:
        low: least value; negative for a displacement, which may go either way.
        high: largest value of anything that stands on an optical table.
        usual: what the guess of a unit must come to, metres; the limits themselves where absent.

    Returns:
        What goes into `Annotated[float, metres(...)]`, or of a tuple of floats or None.
    """
    least, most = usual or (max(low, 0.0), high)

    def one(value: float) -> None:
        if low <= value <= high:
            return
        meant = [(u, value * s) for u, s in _UNITS.items() if least <= abs(value) * s <= most]
        guess = f"; if {value:g} {meant[0][0]} was meant, write {meant[0][1]:g}" if meant else ""
        raise ValueError(f"expected metres, {low:g} to {high:g}{guess}")

    def check(value: Any) -> Any:
        for each in value if isinstance(value, tuple) else (value,):
            if each is not None:
                one(each)
        return value

    return AfterValidator(check)


Seed = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""A seed: JSON and TOML of every program keep it, and what is counted on from it still fits a generator."""

_SIDE = 32768  # pixels; the largest panels and sensors that are sold have half of that


def check_pixels(shape: tuple[int, int]) -> None:
    """Raise ValueError unless a panel or sensor of `shape` (y, x) pixels could be: work and memory grow with it."""
    if min(shape) < 1 or max(shape) > _SIDE:
        raise ValueError(f"shape is {shape}, expected two numbers of pixels (y, x) from 1 to {_SIDE}")


_PLACES = {
    "lens": "lens1",
    "adc": "camera.adc",
    "uniformity": "camera.uniformity",
    "response": "slm.response",
}
_PLACES |= {"mount": "mounting.slm"}
_WHOLE = ("bench", "run", "tolerance", "student", "train")  # descriptions that are no part of a bench


def validated(model: type[M], data: Any) -> M:
    """Data as a model, for a reader that tells more of a mistake (file, line) than `Validated.model_validate` does.

    Raises:
        pydantic.ValidationError: a value or a field's name is not allowed.
    """
    made: M = model.__pydantic_validator__.validate_python(data)
    return made


class _OneLine(ModelMetaclass):
    """Says in one line what is wrong with a spec that is made in Python; files are read by `optics.bench.files`."""

    def __call__(cls, *args: Any, **fields: Any) -> Any:
        model = cast("type[BaseModel]", cls)
        tensors = {name: value for name, value in fields.items() if holds_tensor(value)}
        for name in tensors:
            info = model.model_fields.get(name)
            if info is not None and GRADIENT not in info.metadata:
                known = [n for n, i in model.model_fields.items() if GRADIENT in i.metadata]
                fix = f"here {', '.join(known)} may be tensors" if known else "give a plain number"
                raise SpecError(f"{cls.__name__}.{name} is a tensor and carries no gradient; {fix}.")
        try:
            made = super().__call__(*args, **(fields | plain(tensors)))
        except ValidationError as e:
            raise SpecError(explain(e, model, source=cls.__name__, table=cls.__name__)) from None
        return made.model_copy(update=tensors) if tensors else made


def _told(model: type[V], make: Callable[[], V]) -> V:
    try:
        return make()
    except ValidationError as e:
        raise SpecError(explain(e, model, source=model.__name__, table=model.__name__)) from None


class Validated(BaseModel, metaclass=_OneLine):
    """Base of all descriptions, of hardware or not: immutable, unknown keys refused, no NaN or infinity.

    Raises:
        SpecError: a value or a field's name is not allowed; in one line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse, and say how to make another.

        Raises:
            SpecError: always, for a field.
        """
        if name.startswith("_"):
            super().__setattr__(name, value)
            return
        if name not in type(self).model_fields:
            raise SpecError(
                f"{type(self).__name__} has no {name!r}; it has {', '.join(type(self).model_fields)}."
            )
        own = type(self).__name__.removesuffix("Spec").removesuffix("Config").lower()
        path = f"{_PLACES.get(own, own)}.{name}"
        whole = (
            ""
            if own in _WHOLE
            else f", or of a whole bench: bench = bench.replace(**{{{path!r}: {value!r}}})"
        )
        raise SpecError(
            f"{type(self).__name__}.{name} cannot be set: a description never changes. Make another one: "
            f"{own} = {own}.replace({name}={value!r}){whole}."
        )

    def __str__(self) -> str:
        """As `repr`."""
        return repr(self)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """The fields that differ from their defaults: what one would type."""
        for name, info in type(self).model_fields.items():
            value = getattr(self, name)
            if (
                info.is_required()
                or holds_tensor(value)
                or value != info.get_default(call_default_factory=True)
            ):
                yield name, value

    @classmethod
    def model_validate(cls: type[V], obj: Any, **options: Any) -> V:
        """A description from a dictionary, as pydantic does it; see the class for errors."""
        return _told(cls, lambda: super(Validated, cls).model_validate(obj, **options))

    @classmethod
    def model_validate_json(cls: type[V], json_data: str | bytes | bytearray, **options: Any) -> V:
        """A description from the text of a JSON object, as pydantic does it; see the class for errors."""
        return _told(cls, lambda: super(Validated, cls).model_validate_json(json_data, **options))

    def replace(self: V, **changes: Any) -> V:
        """A validated copy with some fields changed; a dotted path reaches into parts: `replace(**{"slm.bits": 4})`.

        Raises:
            SpecError: a value or a field's name is not allowed.
        """
        own: dict[str, Any] = {}
        nested: dict[str, dict[str, Any]] = {}
        for key, value in changes.items():
            head, _, rest = key.partition(".")
            if rest:
                nested.setdefault(head, {})[rest] = value
            else:
                own[head] = value
        for head, part in nested.items():
            own[head] = getattr(self, head).replace(**part)
        data = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**(data | own))

    def refuse_tensors(self, who: str) -> None:
        """Raise SpecError where a number is a tensor, for what would lose its gradient."""
        if self.without_tensors() is not self:
            raise SpecError(
                f"{who} carries no gradient to a bench's numbers; give it bench.without_tensors()."
            )

    def without_tensors(self: V) -> V:
        """The same with plain numbers in place of tensors, see `optics.numbers`; itself where it holds none."""
        changes: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Validated):
                part = value.without_tensors()
                if part is not value:
                    changes[name] = part
            elif holds_tensor(value):
                changes[name] = plain(value)
        return self.replace(**changes) if changes else self


class Spec(Validated):
    """Base of all hardware descriptions: a validated description whose flaws can be switched off."""

    @classmethod
    def flaws(cls) -> tuple[str, ...]:
        """Names of the fields that are imperfections."""
        return tuple(
            name
            for name, info in cls.model_fields.items()
            if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("flaw")
        )

    def ideal(self: S) -> S:
        """The same device with every flaw, its own and its parts', at its ideal value."""
        changes: dict[str, Any] = {n: type(self).model_fields[n].get_default() for n in self.flaws()}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Spec) and name not in changes:
                changes[name] = value.ideal()
        return self.model_copy(update=changes)
