"""Training with the bench in the loop: every step meets another draw of the misalignment and of the noise."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from networks.onbench.network import OnBench
from networks.students.student import Student
from optics.bench.spec import BenchSpec
from optics.bench.tolerance import ToleranceSpec


class NoiseAware(nn.Module):
    """A student on a bench whose alignment is drawn anew for each training step.

    Its parameters are the student's own: train it like any module, then use the student. In `eval` mode it is the
    student on the bench as described.

    Args:
        student: the network.
        bench: the bench as it should be; light and camera give the noise.
        tolerance: how far its alignment may be off.
        image_shape: (H, W) of one channel of the images.
        oversampling: camera samples per input pixel; 1 is quick and sees the light at the pixels' centres, 2 that of
            whole pixels, see `networks.cascade.between`.
        options: further arguments of `Student.on`.
    """

    def __init__(
        self,
        student: Student,
        bench: BenchSpec,
        *,
        tolerance: ToleranceSpec | None = None,
        image_shape: tuple[int, int],
        oversampling: int | None = 1,
        **options: Any,
    ) -> None:
        super().__init__()
        self.student = student
        self.tolerance = tolerance or ToleranceSpec()
        self._options = {"image_shape": image_shape, "oversampling": oversampling, **options}
        self.bench = bench
        self._nominal = student.on(bench, **self._options)

    def drawn(self, generator: torch.Generator) -> OnBench:
        """The student on one draw of the bench, in the mode that this module is in."""
        if self.tolerance == ToleranceSpec():
            return self._nominal
        bench = self.tolerance.draw(self.bench, generator)
        return self.student.on(bench, **self._options).train(self.training)

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Images (B, in, H, W) to the back end's output; a generator draws alignment (in training) and noise."""
        if self.training and generator is not None:
            return self.drawn(generator)(x, generator=generator)
        return self._nominal(x, generator=generator)
