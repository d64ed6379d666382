"""The electronic back end as an ONNX file, for whatever runs behind the laboratory's camera; extra `onnx`.

One input, `features` (images, maps, y, x): the readings of the bins as `docs/export.md` has them. One output:
`answers`, logits of classes (images, classes) or of pixels (images, classes, H, W); or, of an embedder, `embeddings`:
unit vectors (images, dimension), by which known people and strangers are told. The number of images is free.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from distill.export.answers import described, kind_of
from networks import Student
from optics.errors import OpticsError
from optics.files import write_bytes
from optics.modules import evaluating
from optics.reading import home, reason


def write_onnx(student: Student, to: str | Path, *, image_shape: tuple[int, int] | None = None) -> Path:
    """Write a student's back end to an ONNX file; gives its path.

    Its output is `embeddings` where the back end is an embedder, else `answers`, see above.

    Args:
        student: whose back end it is.
        to: the file, `*.onnx`.
        image_shape: (H, W) of its images; what the student says where absent.

    Raises:
        OpticsError: the extra is not installed, the images' size is not known, or the file cannot be written.
    """
    path, shape = home(to), image_shape or (None if student.spec is None else student.spec.image_shape)
    if path.suffix != ".onnx":
        raise OpticsError(f"{to} is where the back end goes; its name must end in .onnx.")
    if shape is None:
        raise OpticsError("this network does not say for which images it is; give image_shape=(H, W).")
    parameter = next(student.parameters())
    images = torch.rand(
        3,
        student.cascade.in_channels,
        *shape,
        generator=torch.Generator().manual_seed(0),
        dtype=parameter.dtype,
    )
    with torch.no_grad():
        features = student.features(images.to(parameter.device))
    write_bytes(path, _model(student.backend, features))
    return path


class _Embedding(nn.Module):
    """An embedder whose `forward` gives its unit vectors, not the likeness to the people of its training."""

    def __init__(self, backend: nn.Module) -> None:
        super().__init__()
        self.backend = backend

    def forward(self, features: Tensor) -> Tensor:
        return self.backend.embed(features)  # type: ignore[operator]


def _model(backend: nn.Module, features: Tensor) -> bytes:
    embeds = kind_of(described(backend)) == "embeddings"
    asked = _Embedding(backend) if embeds else backend
    try:
        with evaluating(asked), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # of torch's own exporter about itself
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            made = torch.onnx.export(
                asked,
                (features,),
                dynamo=True,
                verbose=False,
                input_names=["features"],
                output_names=["embeddings" if embeds else "answers"],
                dynamic_shapes=({0: torch.export.Dim("images")},),
            )
    except ImportError as error:
        raise OpticsError(
            f"ONNX files need the packages onnx and onnxscript ({reason(error)}): pip install 'spectral-cascade[onnx]'."
        ) from error
    if made is None:
        raise OpticsError("torch made no ONNX file of this back end.")
    return bytes(made.model_proto.SerializeToString())
