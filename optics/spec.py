"""What every description shares: frozen, validated, SI units; and that of hardware: flaws that can be switched off.

A field declared with `flaw(...)` is an imperfection whose default is its ideal value, so that *ideal and realistic
optics are the same object built from different specs*. `spec.ideal()` returns the same geometry with every flaw at
its ideal value; there is no second code path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from optics.checks import SpecError
from optics.toml_errors import explain

if TYPE_CHECKING:  # pydantic's metaclass has no public name
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

V = TypeVar("V", bound="Validated")
S = TypeVar("S", bound="Spec")


def flaw(ideal: Any, **constraints: Any) -> Any:
    """A field whose `ideal` value means that the imperfection is absent; `constraints` go to pydantic's Field."""
    extra: dict[str, Any] = {"flaw": True}
    return Field(default=ideal, json_schema_extra=extra, **constraints)


class _OneLine(ModelMetaclass):
    """Says in one line what is wrong with a spec that is made in Python; files are read by `optics.bench.files`."""

    def __call__(cls, *args: Any, **fields: Any) -> Any:
        try:
            return super().__call__(*args, **fields)
        except ValidationError as e:
            model = cast("type[BaseModel]", cls)
            raise SpecError(explain(e, model, source=cls.__name__, table=cls.__name__)) from None


class Validated(BaseModel, metaclass=_OneLine):
    """Base of all descriptions, of hardware or not: immutable, unknown keys refused, no NaN or infinity.

    Raises:
        SpecError: a value or a field's name is not allowed; in one line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

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
            if isinstance(value, Spec):
                changes[name] = value.ideal()
        return self.model_copy(update=changes)
