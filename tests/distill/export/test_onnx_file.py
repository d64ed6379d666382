"""The back end as ONNX gives the same answers in another runtime, for any number of images."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from distill.export.onnx_file import write_onnx
from networks import Student
from optics.checks import OpticsError
from tests.scenes import generator

HERE = all(importlib.util.find_spec(name) is not None for name in ("onnx", "onnxscript"))
CASES = {
    "classifier": {"hidden": (5,), "mix": 2},
    "plain": {},
    "embedder": {"head": "embedder"},
    "homodyne": {"readout": "homodyne"},
}


def student(**options):
    made = Student.build(
        (1, 3), image_shape=(12, 12), classes=4, bins=(3, 3), generator=generator(1), **options
    )
    return made.eval()


@pytest.mark.skipif(not HERE, reason="onnx and onnxscript are not installed (extra onnx)")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_another_runtime_gives_the_same_answers(name, tmp_path):
    made = student(**CASES[name])
    path = write_onnx(made, tmp_path / "backend.onnx")
    x = made.features(torch.rand(7, 1, 12, 12, generator=generator(2))).detach()
    if importlib.util.find_spec("onnxruntime") is not None:
        from onnxruntime import InferenceSession

        found = InferenceSession(str(path)).run(["answers"], {"features": x.numpy()})[0]
    else:
        from onnx.reference import ReferenceEvaluator

        found = ReferenceEvaluator(str(path)).run(["answers"], {"features": x.numpy()})[0]
    assert torch.allclose(torch.from_numpy(found), made.backend(x), atol=1e-5)
    assert found.shape == (7, 4)


@pytest.mark.skipif(HERE, reason="onnx is installed")
def test_without_the_extra_it_is_told(tmp_path):
    with pytest.raises(OpticsError, match=r"spectral-cascade\[onnx\]"):
        write_onnx(student(), tmp_path / "backend.onnx")
    assert list(tmp_path.iterdir()) == []


def test_another_name_is_refused(tmp_path):
    with pytest.raises(OpticsError, match=r"\.onnx"):
        write_onnx(student(), tmp_path / "backend.pt")
