"""Teachers from files: a `torch.export` program, read without executing anything that the file brings.

`torch.export.load` is not safe for files of others: it falls back to unpickling, and evaluates strings of the file as
Python expressions. This reader takes the same archive and uses only its JSON graph and its raw tensors; each node must
name one of the operators listed here. Pickled weights, custom objects, compiled libraries and TorchScript are refused.

    program = torch.export.export(model.eval(), (torch.zeros(2, 1, 28, 28),), dynamic_shapes=({0: Dim("batch")},))
    torch.export.save(program, "teacher.pt2")
    teacher = networks.teachers.registry.load("teacher.pt2")
"""

from __future__ import annotations

import json
import operator
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from optics.errors import OpticsError
from optics.reading import MOST_BYTES, quoted, reading, regular_file, shortened
from optics.reading.archives import zip_entries

_DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}

# Operators of inference graphs: functions of tensors and numbers without any other effect.
_NAMES = """
    _softmax _to_copy abs adaptive_avg_pool1d adaptive_avg_pool2d adaptive_max_pool2d add add_ addmm alias amax amin
    arange avg_pool2d baddbmm batch_norm bmm cat chunk clamp clamp_ clamp_min clone concat constant_pad_nd contiguous
    conv1d conv2d conv_transpose2d cos detach div div_ dropout dropout_ einsum elu elu_ embedding eq exp expand
    feature_dropout flatten full full_like ge gelu glu group_norm gt hardsigmoid hardswish hardswish_ hardtanh
    hardtanh_ instance_norm layer_norm le leaky_relu leaky_relu_ lift_fresh_copy linear log log_softmax lt
    masked_fill matmul max max_pool2d maximum mean min minimum mish mish_ mm mul mul_ narrow ne neg ones ones_like
    pad permute pixel_shuffle pow prelu reciprocal relu relu6 relu_ repeat reshape roll rsqrt rsub scalar_tensor
    scaled_dot_product_attention select sigmoid sigmoid_ silu silu_ sin slice softmax softplus split
    split_with_sizes sqrt square squeeze stack sub sub_ sum sym_size t tanh tanh_ to transpose tril triu unbind
    unflatten unsqueeze upsample_bilinear2d upsample_nearest2d var view where zeros zeros_like
"""
_OPERATORS = frozenset(_NAMES.split())
_NUMBERS: dict[str, Callable[..., Any]] = {
    f"_operator.{name}": getattr(operator, name)
    for name in ("add", "floordiv", "getitem", "mod", "mul", "neg", "sub")
}
_WHOLE = ("as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string", "as_int_lists")
_RUN = (
    "its images may have another size (teacher.image_size) or other channels (teacher.channels) than it was exported "
    "for, or the file is damaged."
)
_FIX = "Export it again with torch.export.save from a plain model of tensors, on the CPU."


def load_program(path: str | Path) -> ExportedProgram:
    """A `torch.export` file as a module; nothing in it is executed but the operators of this reader's list.

    Raises:
        OpticsError: no such file, not such an archive, or something in it that would have to be executed.
    """
    path = regular_file(path, what="exported program")
    fix = f"it is damaged or of an unknown version. {_FIX}"
    with reading(path, "a torch.export archive", fix=fix), zipfile.ZipFile(path) as archive:
        zip_entries(archive, path, most=MOST_BYTES)
        return _read(path, archive)


def _read(path: Path, archive: zipfile.ZipFile) -> ExportedProgram:
    names = archive.namelist()
    root = names[0].split("/")[0]
    inside = {name[len(root) + 1 :]: name for name in names}
    if "constants.pkl" in inside or "code" in {n.split("/")[0] for n in inside}:
        raise OpticsError(f"{path} is a TorchScript file, whose code would have to be executed. {_FIX}")
    libraries = sorted(n for n in inside if n.startswith("data/aotinductor") or n.endswith((".so", ".o")))
    if libraries:
        raise OpticsError(f"{path} holds compiled code ({libraries[0]}), which is not loaded. {_FIX}")
    models = [n for n in inside if n.startswith("models/") and n.endswith(".json")]
    if len(models) != 1:
        raise OpticsError(f"{path} holds {len(models)} exported models, expected one. {_FIX}")
    name = models[0][len("models/") : -len(".json")]
    tensors: dict[str, Tensor] = {}
    for folder, kind in (("weights", "weights"), ("constants", "constants")):
        listing = inside.get(f"data/{folder}/{name}_{kind}_config.json")
        if listing is None:
            raise OpticsError(
                f"{path} has no plain list of its {kind}; they are pickled, or very old. {_FIX}"
            )
        for key, entry in json.loads(archive.read(listing))["config"].items():
            if entry["use_pickle"] or not entry["path_name"].startswith(("weight_", "tensor_")):
                raise OpticsError(
                    f"{path}: {shortened(key)} is a pickled object, which is not loaded. {_FIX}"
                )
            data = archive.read(inside[f"data/{folder}/{entry['path_name']}"])
            tensors[key] = _tensor(data, entry["tensor_meta"])
    return ExportedProgram(json.loads(archive.read(inside[models[0]]))["graph_module"], tensors)


def _tensor(data: bytes, meta: Mapping[str, Any]) -> Tensor:
    dtype = _DTYPES[meta["dtype"]]
    flat = torch.frombuffer(bytearray(data), dtype=dtype) if data else torch.empty(0, dtype=dtype)
    size, stride = ([int(n["as_int"]) for n in meta[key]] for key in ("sizes", "strides"))
    offset = int(meta["storage_offset"]["as_int"])
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if min([*size, *stride, offset, 0]) < 0 or (all(size) and last >= flat.numel()):
        raise ValueError(f"a tensor of {size} reaches beyond its {flat.numel()} values")
    return flat.as_strided(size, stride, offset).clone()


class ExportedProgram(nn.Module):
    """An exported inference graph, run node by node; dropout is off and normalisation uses its running statistics.

    Args:
        graph_module: the "graph_module" of the archive's JSON.
        tensors: parameters, buffers and constants by their names in the exported model.

    Attributes:
        expects: (channels, y, x) of the images that it was exported for; None for what may be any.

    Raises:
        OpticsError: an operator that is not on this reader's list, or more than one image in or out.
    """

    def __init__(self, graph_module: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        graph, signature = graph_module["graph"], graph_module["signature"]
        self._held: dict[str, str] = {}
        images: list[str] = []
        for spec in signature["input_specs"]:
            kind, value = next(iter(spec.items()))
            if kind == "user_input" and "as_tensor" in value["arg"]:
                images.append(value["arg"]["as_tensor"]["name"])
            elif kind in ("parameter", "buffer", "tensor_constant"):
                key = value.get("parameter_name") or value.get("buffer_name") or value["tensor_constant_name"]
                self._held[value["arg"]["name"]] = self._hold(key, tensors[key], kind == "parameter")
            else:
                raise OpticsError(
                    f"the exported program has an input of kind {quoted(kind)}; expected one image. {_FIX}"
                )
        results = [o["user_output"]["arg"] for o in signature["output_specs"] if "user_output" in o]
        if len(images) != 1 or len(results) != 1 or "as_tensor" not in results[0]:
            raise OpticsError(
                f"the exported program has {len(images)} images in and {len(results)} results; one each."
            )
        self._image, self._result = images[0], results[0]["as_tensor"]["name"]
        self.expects = _sizes(graph, self._image)[1:]
        self._nodes = [_Node(node) for node in graph["nodes"]]
        known = {*self._held, self._image, *(name for node in self._nodes for name in node.writes)}
        if self._result not in known:
            raise OpticsError(f"the exported program never makes its result {quoted(self._result)}. {_FIX}")

    def _hold(self, key: str, value: Tensor, trainable: bool) -> str:
        name = "held_" + key.replace(".", "_")
        if trainable and value.is_floating_point():
            self.register_parameter(name, nn.Parameter(value))
        else:
            self.register_buffer(name, value)
        return name

    def forward(self, x: Tensor) -> Tensor:
        """What the exported model gives for images (B, in, y, x)."""
        values: dict[str, Any] = {name: getattr(self, held) for name, held in self._held.items()}
        values[self._image] = x
        for node in self._nodes:
            with reading(f"the exported program, at {shortened(node.plain)}", "a computation", fix=_RUN):
                node.run(values)
        result: Tensor = values[self._result]
        return result


def _sizes(graph: Mapping[str, Any], name: str) -> tuple[int | None, ...]:
    """The sizes that the archive records of a tensor; None for one that may be any."""
    told = graph.get("tensor_values", {}).get(name, {}).get("sizes", [])
    return tuple(size.get("as_int") for size in told)


class _Node:
    """One operator of the graph, with the names of what it reads and writes."""

    def __init__(self, node: Mapping[str, Any]) -> None:
        target = node["target"]
        self.call = _NUMBERS.get(target) or _operator(target)
        self.plain = target.rsplit(".", 2)[-2] if target.startswith("torch.ops.") else target
        self.inputs = [(i["name"], i["arg"], i.get("kind") == 2) for i in node["inputs"]]
        self.outputs = [next(iter(o.items())) for o in node["outputs"]]
        entries = [e for _, told in self.outputs for e in (told if isinstance(told, list) else [told])]
        self.writes = [_name(entry) for entry in entries]

    def run(self, values: dict[str, Any]) -> None:
        arguments = {name: _argument(arg, values) for name, arg, _ in self.inputs}
        if "dropout" in self.plain:
            arguments["train"] = False
        elif self.plain in ("batch_norm", "instance_norm"):
            for name in ("training", "use_input_stats"):
                if name in arguments and arguments.get("running_mean") is not None:
                    arguments[name] = False
        by_name = {name for name, _, keyword in self.inputs if keyword}
        positional = [v for name, v in arguments.items() if name not in by_name]
        result = self.call(*positional, **{n: arguments[n] for n in by_name})
        if len(self.outputs) == 1 and self.outputs[0][0] in ("as_tensor", "as_sym_int", "as_sym_float"):
            values[_name(self.outputs[0][1])] = result
        elif len(self.outputs) == 1 and self.outputs[0][0] == "as_tensors":
            for entry, value in zip(self.outputs[0][1], result, strict=True):
                values[entry["name"]] = value
        else:
            for (_, entry), value in zip(self.outputs, result, strict=True):
                values[_name(entry)] = value


def _operator(target: str) -> Callable[..., Any]:
    parts = target.split(".")
    if len(parts) != 5 or parts[:3] != ["torch", "ops", "aten"] or parts[3] not in _OPERATORS:
        raise OpticsError(
            f"the exported program uses {shortened(target)}, which is not on the list of operators. {_FIX}"
        )
    packet = getattr(torch.ops.aten, parts[3])
    if parts[4] not in packet.overloads() or parts[4].endswith("out"):
        raise OpticsError(
            f"the exported program uses {shortened(target)}, which this torch does not have. {_FIX}"
        )
    return getattr(packet, parts[4])


def _name(entry: Mapping[str, Any]) -> str:
    return entry["name"] if "name" in entry else entry["as_name"]


def _argument(arg: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    kind, value = next(iter(arg.items()))
    if kind in _WHOLE:
        return value
    if kind == "as_none":
        return None
    if kind == "as_tensor":
        return values[value["name"]]
    if kind in ("as_tensors", "as_optional_tensors"):
        return [values[_inner(v)["name"]] if _inner(v) else None for v in value]
    if kind == "as_optional_tensor":
        return values[_inner(value)["name"]] if _inner(value) else None
    if kind in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        return _number(value, values)
    if kind in ("as_sym_ints", "as_sym_floats"):
        return [_number(v, values) for v in value]
    if kind == "as_scalar_type":
        return _DTYPES[value]
    if kind == "as_memory_format":
        return {1: torch.contiguous_format, 2: torch.channels_last, 4: torch.preserve_format}[value]
    if kind == "as_device":
        return None  # tensors are made where torch makes them by default
    if kind == "as_layout":
        return torch.strided
    raise OpticsError(
        f"the exported program has an argument of kind {quoted(kind)}, which is not read. {_FIX}"
    )


def _inner(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return value.get("as_tensor", {} if "as_none" in value else value)


def _number(value: Mapping[str, Any], values: Mapping[str, Any]) -> Any:
    return values[value["as_name"]] if "as_name" in value else next(iter(value.values()))
