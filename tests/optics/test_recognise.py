"""A file of the wrong kind is told what it is and where it goes, in one line; the right kind and the unknown pass."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from distill.cli.main import main
from optics.checks import OpticsError
from optics.recognise import check, recognise

BENCH = """
name = "x"
[light]
wavelength = 532e-9
[input]
pitch = 32e-6
[lens1]
focal_length = 0.2
[slm]
shape = 448
pitch = 8e-6
[lens2]
focal_length = 0.2
[camera]
shape = [400, 500]
pitch = 4e-6
"""


@pytest.fixture
def files(tmp_path):
    made = {
        "bench": (tmp_path / "b.toml", lambda p: p.write_text(BENCH)),
        "run": (tmp_path / "r.toml", lambda p: p.write_text("seed = 1\n[data]\nlimit = 5\n")),
        "device": (tmp_path / "d.toml", lambda p: p.write_text('kind = "slm"\n[figures]\npitch = 8e-6\n')),
        "array": (tmp_path / "k.npy", lambda p: np.save(p, np.zeros((3, 3)))),
        "hdf5": (tmp_path / "d.h5", lambda p: h5py.File(p, "w").close()),
        "archive": (tmp_path / "p.pt", lambda p: torch.save({}, p)),
        "manifest": (
            tmp_path / "m.json",
            lambda p: p.write_text(json.dumps({"format": "spectral-cascade export"})),
        ),
        "result": (
            tmp_path / "result.json",
            lambda p: p.write_text(json.dumps({"schema_version": 2, "rows": {}})),
        ),
        "weights": (tmp_path / "w.safetensors", lambda p: save_file({"a": torch.zeros(2)}, p)),
        "text": (tmp_path / "README.md", lambda p: p.write_text("# hello")),
        "empty": (tmp_path / "empty.toml", lambda p: p.write_text("")),
    }
    for path, write in made.values():
        write(path)
    return {name: path for name, (path, _) in made.items()}


def test_every_kind_is_recognised_by_what_is_in_it(files):
    found = {name: recognise(path) for name, path in files.items()}
    assert found.pop("text") is None
    assert found.pop("empty") is None
    assert {name: kind.kind for name, kind in found.items()} == {name: name for name in found}


@pytest.mark.parametrize("wanted", ["run", "bench", "network"])
def test_another_kind_is_refused_with_where_it_goes(wanted, files):
    for name, path in files.items():
        if name in (wanted, "text", "empty", "weights"):
            check(path, wanted)
            continue
        with pytest.raises(OpticsError, match="expected") as error:
            check(path, wanted)
        assert "\n" not in str(error.value)
        assert str(path) in str(error.value)
        assert "FILE" not in str(error.value)


COMMANDS = (
    (("run", "bench"), "is a bench file, expected a run's configuration"),
    (("run", "array"), "is a NumPy array"),
    (("evaluate", "array"), "sclc design"),
    (("evaluate", "bench"), "--bench"),
    (("report", "hdf5"), "is an HDF5 file"),
    (("plan", "run"), "is a run's configuration, expected a bench file"),
    (("plan", "device"), "is a device's file"),
    (
        ("plan", "bench"),
        "slm.shape = 448: expected 2 whole numbers, (y, x) in brackets, as shape = [448, 448]",
    ),
)


@pytest.mark.parametrize(("words", "said"), COMMANDS)
def test_commands_say_it(words, said, files, capsys):
    assert main([words[0], str(files[words[1]])]) == 2
    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
