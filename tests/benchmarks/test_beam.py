"""The reference beam's strength: a weak beam drowns in shot noise, one that fills the camera is told."""

from __future__ import annotations

import pytest
import torch

from benchmarks.beam import measure, tables
from distill import save
from networks import Student
from optics.errors import OpticsError

RUN = """
name = "tiny"
[data]
limit = 80
"""


def _network(tmp_path, readout):
    student = Student.build(
        (1, 4),
        kernel_size=5,
        image_shape=(28, 28),
        classes=10,
        bins=(4, 4),
        readout=readout,
        generator=torch.Generator().manual_seed(0),
    ).eval()
    save(student, tmp_path / "network.safetensors")
    (tmp_path / "run.toml").write_text(RUN)
    return {"network": tmp_path / "network.safetensors", "config": tmp_path / "run.toml"}


def test_what_a_network_answers_varies_with_the_beam_and_the_draw(tmp_path):
    found = measure(**_network(tmp_path, "homodyne"), beams=(1e-4, 0.25), images=60, draws=3)
    weak, strong = found["rows"]
    assert (weak["beam"], strong["beam"], found["images"], found["draws"]) == (1e-4, 0.25, 60, 3)
    assert weak["spread"] > 0.0  # noise decides
    assert abs(strong["figure"] - found["computed"]) < abs(weak["figure"] - found["computed"]) + 0.05
    assert tables(found)[0].row_count == 2


def test_a_beam_that_fills_the_camera_and_a_read_out_without_one_are_told(tmp_path):
    with pytest.raises(OpticsError, match="saturates the camera"):
        measure(**_network(tmp_path, "homodyne"), beams=(50.0,), images=5, draws=1)
    with pytest.raises(OpticsError, match="'intensity'; a beam is homodyne's alone"):
        measure(**_network(tmp_path, "intensity"), images=5, draws=1)
