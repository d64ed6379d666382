"""Files of weights that never execute anything when read, and are whole or absent.

Models are `safetensors` files whose metadata holds the configuration that rebuilds them. The state of a
training run is a `torch.save` file of tensors, numbers and strings, read with `weights_only=True`.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import safetensors
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from networks import RawImage, Student, StudentSpec
from networks.teachers import registry as teachers
from optics.checks import check_finite
from optics.errors import OpticsError
from optics.files import make_folder, write_bytes, write_weights
from optics.reading import from_json, home, quoted, reading, reason, regular_file, shortened
from optics.recognise import check
from optics.spec import validated
from optics.toml_errors import explain

_FORMAT = "spectral-cascade model 1"
_STATE = 2  # of a training's state; before, it drew and weighed otherwise


# ---------------------------------------------------------------------- models


def save(student: Student | RawImage, path: str | Path) -> None:
    """A network in one `*.safetensors` file, for `load`, and for `sclc evaluate`, `export` and `report`.

    Raises:
        OpticsError: its back end is a module of the user's own, which no description covers, or it cannot be written.
    """
    if student.spec is None:
        raise OpticsError("this raw image was not made from a description; make it by RawImage.from_spec.")
    save_model(Path(path), student, {"kind": "student", "spec": student.spec.model_dump(mode="json")})


def load(path: str | Path) -> Student:
    """The network that `save` wrote, or that of a run's directory or of a kept run's, in `eval` mode.

    Of a run it is the distilled one with its back end refitted on the bench, or as it was distilled where it was not.
    Neither its data nor its bench are opened: a run that was moved, or made on another machine, gives it as well.

    Raises:
        OpticsError: no such file, damaged, not a student's; or a run that has not come so far.
    """
    place = home(path)
    if not place.is_dir():
        return load_student(place)
    for name in ("refit/model", "linear_kd/model", "network"):  # the last is a kept run's
        file = place / f"{name}.safetensors"
        if file.is_file():
            return load_student(file)
    raise OpticsError(
        f"{path} holds no trained network; it is no run's directory, or one that has not come so far."
    )


def save_model(path: str | Path, module: nn.Module, config: dict[str, Any]) -> None:
    """Weights and configuration of a model in one file.

    Args:
        path: `*.safetensors`.
        module: the model.
        config: JSON values that rebuild it. A student: `{"kind": "student", "spec": ...}`, see `StudentSpec`; `save`
            writes it. A teacher: `{"kind": "teacher", "name": ..., "in_channels": ..., "classes": ...,
            "image_size": [H, W]}`.

    Raises:
        OpticsError: the configuration holds NaN or infinity.
    """
    try:
        metadata = {
            _FORMAT: json.dumps(config, sort_keys=True, allow_nan=False)
        }  # several keys come in random order
    except ValueError as error:
        raise OpticsError(f"{path}: the model's configuration is no JSON ({reason(error)}).") from None
    path = home(path)
    make_folder(path.parent)
    write_weights(path, module.state_dict(), metadata)


def load_config(path: str | Path) -> dict[str, Any]:
    """The configuration in a model file."""
    return _read(path)[1]


def load_student(path: str | Path) -> Student:
    """The student saved at `path`, in `eval` mode.

    Raises:
        OpticsError: no such file, damaged, or not a student's.
    """
    network = load_network(path)
    if not isinstance(network, Student):
        raise OpticsError(f"{path} holds the control 'raw_image', which has no optics; expected a student.")
    return network


def load_network(path: str | Path) -> Student | RawImage:
    """The student, or the control without optics, saved at `path`, in `eval` mode.

    Raises:
        OpticsError: no such file, damaged, or neither.
    """
    tensors, config = _read(path)
    spec = _told(path, config)
    make = RawImage.from_spec if spec.control == "raw_image" else Student.from_spec
    return cast("Student | RawImage", _filled(path, lambda: make(spec), tensors))


def load_spec(path: str | Path) -> StudentSpec:
    """The description of the student saved at `path`.

    Raises:
        OpticsError: no such file, damaged, or not a student's.
    """
    return _told(path, load_config(path))


def _told(path: str | Path, config: dict[str, Any]) -> StudentSpec:
    try:
        with reading(path, "a student", fix="its description of a student is not one."):
            spec = _spec(config)
    except ValidationError as error:
        raise OpticsError(explain(error, StudentSpec, source=str(path))) from error
    if spec is None:
        raise OpticsError(f"{path} holds {_kind(config)}, expected a student.")
    return spec


def _spec(config: dict[str, Any]) -> StudentSpec | None:
    """The student that a model file describes, also one of an earlier version; None where it is something else."""
    if "spec" in config and config.get("kind") == "student":
        return validated(StudentSpec, config["spec"])
    if "builder" in config and config.get("kind") == "student":  # sizes, and which constructor took them
        words = {k: v for k, v in config.items() if k not in ("kind", "builder")}
        builder = config["builder"]
        return StudentSpec.of(**words).as_control(None if builder == "build" else builder)
    if {"cascade", "readout", "backend"} <= config.keys():  # what each part told of itself
        control = config.get("kind", "student")
        return StudentSpec.of_parts(
            config["cascade"],
            config["readout"],
            config["backend"],
            image_shape=config.get("image_shape"),
            control=None if control == "student" else control,
        )
    return None


def load_teacher(path: str | Path) -> nn.Module:
    """The teacher saved at `path`, in `eval` mode.

    Raises:
        OpticsError: no such file, damaged, or not a teacher's.
    """
    tensors, config = _read(path)
    if config.get("kind") != "teacher":
        raise OpticsError(f"{path} holds {_kind(config)}, expected a teacher.")

    def build() -> nn.Module:
        size = config["image_size"]
        return teachers.create_teacher(
            config["name"],
            config["in_channels"],
            config["classes"],
            (size[0], size[1]),
            generator=torch.Generator(),
        )

    return _filled(path, build, tensors)


def _read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    path = regular_file(path, what="model file")
    check(path, "network")
    with reading(path, "safetensors", fix="it is truncated or not a safetensors file."):
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
        if _FORMAT not in metadata:
            raise OpticsError(
                f"{path} is a safetensors file without this project's metadata; expected {_FORMAT!r}."
            )
        config = from_json(metadata[_FORMAT])
    if not isinstance(config, dict):
        raise OpticsError(f"{path}: its description of a network is {quoted(config)}, expected a table.")
    for key, value in tensors.items():
        check_finite(value, name=f"{path}: weight {shortened(key)!r}")
    return tensors, config


def _kind(config: dict[str, Any]) -> str:
    kind = config.get("kind")
    return "a model without a kind" if kind is None else f"a {shortened(str(kind))}"


def _filled(path: str | Path, build: Callable[[], Any], tensors: dict[str, Tensor]) -> Any:
    with reading(path, "a network", fix="its weights and its configuration do not fit."):
        model = build()
        model.load_state_dict(tensors)
        return model.eval()


# ---------------------------------------------------------------------- training state


def digest_of(facts: dict[str, Any], model: nn.Module) -> str:
    """sha256 of JSON-like facts and of a model's weights, hexadecimal."""
    total = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, value in sorted(model.state_dict().items()):
        if not isinstance(value, Tensor):  # of a user's own module
            continue
        total.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        total.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def save_state(path: Path, key: str, state: dict[str, Any], beside: Mapping[str, str] | None = None) -> None:
    """Write the state of a run: nested dictionaries and lists of tensors, numbers and strings.

    beside: what else it depends on, each by a name for people.
    """
    make_folder(path.parent)
    buffer = io.BytesIO()
    torch.save({"version": _STATE, "key": key, "beside": dict(beside or {}), "state": _on_cpu(state)}, buffer)
    write_bytes(path, buffer.getvalue())


def _on_cpu(value: Any) -> Any:
    """The same with every tensor on the CPU: a state goes on where another device is."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, Mapping):
        return {k: _on_cpu(v) for k, v in value.items()}
    return [_on_cpu(v) for v in value] if isinstance(value, list) else value


def load_state(path: Path, key: str, beside: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read what `save_state` wrote under the same key and beside the same.

    Raises:
        OpticsError: damaged, of another version, or of a run with other settings, data, first weights or `beside`.
    """
    with reading(path, "the state of a training", fix="delete it to begin anew."):
        content = torch.load(regular_file(path), weights_only=True, map_location="cpu")
        found, state, there = content["key"], dict(content["state"]), dict(content.get("beside", {}))
        version = int(content.get("version", 1))
    if version != _STATE:
        raise OpticsError(
            f"{path} was written by another version, whose trainings draw other numbers; delete it to begin this "
            "training anew."
        )
    other = [name for name, value in (beside or {}).items() if str(there.get(name)) != value]
    if found != key or other:
        what = (
            f"another {' and another '.join(other)}"
            if found == key
            else "other settings, data or first weights"
        )
        raise OpticsError(
            f"{path} belongs to a run with {what}; use another directory, or begin anew (delete it, or pass "
            "resume=False)."
        )
    return state
