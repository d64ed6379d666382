"""Exported programs as teachers: they compute the same, and nothing in the file is executed."""

from __future__ import annotations

import json
import pickle
import zipfile

import pytest
import torch
from torch import nn

from networks.teachers import registry as teachers
from networks.teachers.program import load_program
from networks.teachers.resnet import ResNet
from networks.teachers.unet import UNet
from optics.checks import OpticsError
from tests.scenes import generator


class Fired(Exception):
    pass


def explode(*_: object) -> None:
    raise Fired


class Bomb:
    """Unpickling this calls `explode`."""

    def __reduce__(self):
        return (explode, ())


def export(model: nn.Module, path, size=(1, 28, 28)):
    batch = torch.export.Dim("batch", min=1, max=4096)
    with torch.no_grad():
        program = torch.export.export(model, (torch.rand(2, *size),), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
    return path


def rewrite(path, changes: dict[str, object]):
    """A copy of an archive with some of its members changed (a function of bytes) or added (bytes)."""
    other = path.with_name(f"changed-{len(list(path.parent.iterdir()))}.pt2")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
        root = source.namelist()[0].split("/")[0]
        for name in source.namelist():
            data = source.read(name)
            change = changes.pop(name[len(root) + 1 :], None)
            target.writestr(name, change(data) if callable(change) else data)
        for name, data in changes.items():
            target.writestr(f"{root}/{name}", data)
    return other


def small() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(4 * 26 * 26, 10),
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return export(small().eval(), tmp_path_factory.mktemp("exported") / "teacher.pt2")


@pytest.mark.parametrize("kind", ["small", "resnet", "unet"])
def test_an_exported_model_computes_what_the_model_does(tmp_path, kind):
    model = {
        "small": small,
        "resnet": lambda: ResNet(1, 10, widths=(4, 8), blocks=1, large_images=True, generator=generator()),
        "unet": lambda: UNet(1, 2, width=4, depth=2, generator=generator()),
    }[kind]().eval()
    with torch.no_grad():
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.normal_(generator=generator(2))
                part.weight.uniform_(0.5, 1.5, generator=generator(3))
    loaded = teachers.load(export(model, tmp_path / "teacher.pt2"))
    x = torch.rand(5, 1, 28, 28, generator=generator(1))
    torch.testing.assert_close(loaded(x), model(x))
    assert sum(p.numel() for p in loaded.parameters()) == sum(p.numel() for p in model.parameters())
    loaded.train()  # a teacher in training mode by mistake still gives its inference output
    torch.testing.assert_close(loaded(x), model(x))


def test_nothing_in_the_file_is_executed(path):
    bomb = pickle.dumps(Bomb())
    with pytest.raises(Fired):
        pickle.loads(bomb)
    # where torch's own reader would unpickle: sample inputs are never opened, the rest is refused
    load_program(rewrite(path, {"data/sample_inputs/model.pt": lambda _: bomb}))

    def pickled(data: bytes) -> bytes:
        listing = json.loads(data)
        next(iter(listing["config"].values()))["use_pickle"] = True
        return json.dumps(listing).encode()

    def custom(_: bytes) -> bytes:
        entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": False, "tensor_meta": None}
        return json.dumps({"config": {"c": entry}}).encode()

    weights = {"data/weights/model_weights_config.json": pickled, "data/weights/weight_0": lambda _: bomb}
    for changes, message in (
        (weights, "pickled"),
        (
            {"data/constants/model_constants_config.json": custom, "data/constants/opaque_obj_0": bomb},
            "pickled",
        ),
        ({"data/aotinductor/model/model.so": b"\x7fELF"}, "compiled code"),
        ({"code/model.py": b"import os"}, "TorchScript"),
    ):
        with pytest.raises(OpticsError, match=message):
            load_program(rewrite(path, changes))


def test_operators_that_are_not_listed_are_refused(path):
    for target in (
        "torch.ops.aten.from_file.default",
        "builtins.eval",
        "torch.ops.aten.relu.out",
        "os.system",
    ):

        def change(data: bytes, target: str = target) -> bytes:
            program = json.loads(data)
            nodes = program["graph_module"]["graph"]["nodes"]
            next(n for n in nodes if "relu" in n["target"])["target"] = target
            return json.dumps(program).encode()

        with pytest.raises(OpticsError, match="exported program uses"):
            load_program(rewrite(path, {"models/model.json": change}))


def test_broken_files_give_one_line(path, tmp_path):
    (tmp_path / "short.pt2").write_bytes(path.read_bytes()[:2000])
    (tmp_path / "text.pt2").write_text("no archive")
    scripted = tmp_path / "absent.pt2"
    short_weight = rewrite(path, {"data/weights/weight_4": lambda data: data[:16]})
    for broken in (tmp_path / "short.pt2", tmp_path / "text.pt2", scripted, short_weight):
        with pytest.raises(OpticsError) as error:
            load_program(broken)
        assert "\n" not in str(error.value)
