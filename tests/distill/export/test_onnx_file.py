"""The back end as ONNX gives the same answers, of an embedder the same vectors, in another runtime."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from distill.export.onnx_file import write_onnx
from networks import Student, StudentSpec
from optics.checks import OpticsError
from tests.scenes import generator

_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
HERE = all(importlib.util.find_spec(name) is not None for name in ("onnx", "onnxscript"))
LOGITS = {"answers": (7, 4)}  # the output and its shape
CASES = {
    "classifier": ({"hidden": (5,), "mix": 2}, LOGITS),
    "plain": ({}, LOGITS),
    "context": ({"context": 2}, LOGITS),
    "average": ({"average": (2, 2)}, LOGITS),
    "mix, context and average": ({"mix": 5, "context": 2, "average": (2, 2), "hidden": (6,)}, LOGITS),
    "segmenter": ({"head": "segmenter", "width": 4}, {"answers": (7, 4, 12, 12)}),
    "segmenter, context": ({"head": "segmenter", "width": 4, "context": 2}, {"answers": (7, 4, 12, 12)}),
    "embedder": ({"head": "embedder", "dimension": 6, "hidden": (5,)}, {"embeddings": (7, 6)}),
    "embedder, stacked": ({"head": "embedder", "dimension": 6, "side": 3}, {"embeddings": (7, 6)}),
    "homodyne": ({"readout": "homodyne"}, LOGITS),
}


def student(side=None, **options):
    spec = StudentSpec.of(channels=(1, 3), image_shape=(12, 12), classes=4, bins=(3, 3), **options)
    spec = spec.replace(backend=spec.backend.replace(side=side))
    return Student.from_spec(spec, generator=generator(1)).eval()


@pytest.mark.skipif(not HERE, reason="onnx and onnxscript are not installed (extra onnx)")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_another_runtime_gives_the_same_answers(name, tmp_path):
    options, ((output, shape),) = CASES[name][0], CASES[name][1].items()
    made = student(**options)
    for norm in (m for m in made.backend.modules() if isinstance(m, _NORMS)):
        norm.running_mean.uniform_(0.1, 0.4, generator=generator(3))  # as after a training
        norm.running_var.uniform_(0.5, 2.0, generator=generator(4))
    path = write_onnx(made, tmp_path / "backend.onnx")
    x = torch.rand(7, 1, 12, 12, generator=generator(2))
    features = made.features(x).detach()
    if importlib.util.find_spec("onnxruntime") is not None:
        from onnxruntime import InferenceSession

        session = InferenceSession(str(path))
        named, (found,) = (
            [o.name for o in session.get_outputs()],
            session.run(None, {"features": features.numpy()}),
        )
    else:
        from onnx.reference import ReferenceEvaluator

        session = ReferenceEvaluator(str(path))
        named, (found,) = session.output_names, session.run(None, {"features": features.numpy()})
    found = torch.from_numpy(found)
    assert list(named) == [output]
    assert found.shape == shape
    assert torch.allclose(found, made.embed(x) if output == "embeddings" else made(x), atol=1e-5)
    if output == "embeddings":
        assert torch.allclose(found.norm(dim=1), torch.ones(7), atol=1e-5)


@pytest.mark.skipif(HERE, reason="onnx is installed")
def test_without_the_extra_it_is_told(tmp_path):
    with pytest.raises(OpticsError, match=r"spectral-cascade\[onnx\]"):
        write_onnx(student(), tmp_path / "backend.onnx")
    assert list(tmp_path.iterdir()) == []


def test_another_name_is_refused(tmp_path):
    with pytest.raises(OpticsError, match=r"\.onnx"):
        write_onnx(student(), tmp_path / "backend.pt")
