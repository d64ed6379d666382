"""Feature hints: what the student's camera or electronics gives should be what a part of the teacher gives."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.data.augmentation import Answers
from distill.training.distillation import HintSpec, value_at
from distill.training.losses.term import Seen, Setup, Term
from distill.training.taps import CAMERA, Taps, last_maps
from distill.training.teaching import Guide, logits
from networks.seeded import drawn
from optics.errors import OpticsError, ShapeError


class Hint(nn.Module):
    """Feature hint: the student's features, mixed by a trained 1x1 product, should be the teacher's.

    The loss is the mean square difference after both are scaled to unit variance per image, so that light
    level does not matter; spatial sizes are brought together by averaging. Source: Romero et al., "FitNets",
    arXiv 1412.6550, equation 3.

    Args:
        student_maps: feature maps of the student.
        teacher_maps: feature maps of the teacher.
        generator: draws the first values.
    """

    def __init__(self, student_maps: int, teacher_maps: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.mix = drawn(lambda: nn.Conv2d(student_maps, teacher_maps, 1), generator)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """(B, student_maps, by, bx) and (B, teacher_maps, y, x) to a scalar."""
        if student.ndim != 4 or teacher.ndim != 4 or len(student) != len(teacher):
            raise ShapeError(
                f"features have shapes {tuple(student.shape)} and {tuple(teacher.shape)}; expected two "
                "batches (B, maps, y, x) of the same images."
            )
        # of a part in bfloat16, too
        student, teacher = (x.to(self.mix.weight.dtype) for x in (student, teacher))
        mixed = self.mix(student)
        wanted = F.adaptive_avg_pool2d(teacher.detach(), (student.shape[-2], student.shape[-1]))
        return (_unit(mixed) - _unit(wanted)).square().mean()


def _unit(features: Tensor) -> Tensor:
    flat = features.flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + 1e-8).sqrt()


class Hinted(Term):
    """A `Hint` between a watched part of the model and one of its teacher, `HintSpec` says which."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        told, guide = setup.spec.distillation.hint, setup.guide
        if told is None or guide is None:
            raise OpticsError("a hint needs distillation.hint and a teacher.")
        self.told: HintSpec = told
        self.source = told.student or CAMERA
        self.target = told.teacher or _auto(guide)
        guide.watch(self.target, "distillation.hint")
        student, teacher = _sizes(setup, guide, self.source, self.target)
        generator = torch.Generator().manual_seed(setup.spec.seed)
        self.hint = Hint(student, teacher, generator=generator)

    def weight(self, done: float) -> float:
        """The configuration's `hint.weight`."""
        return value_at(self.told.weight, done)

    def watches(self) -> tuple[str, ...]:
        """The student's part."""
        return (self.source,)

    def over(self, answers: Answers) -> int:
        """Images."""
        return len(answers.labels)

    def mean(self, seen: Seen) -> Tensor:
        """Mean square difference in units of the variance."""
        given, wanted = seen.features[self.source], seen.lesson.features[self.target]
        return self.hint(_maps(given), _maps(wanted))


def _auto(guide: Guide) -> str:
    return last_maps(guide.asked("distillation.hint"), guide.images[:2])


def _sizes(setup: Setup, guide: Guide, source: str, target: str) -> tuple[int, int]:
    """Feature maps of the two parts, found by two images."""
    teacher = guide.asked("distillation.hint")
    sizes = []
    for module, name, images in ((setup.model, source, setup.probe), (teacher, target, guide.images[:2])):
        taps = Taps(module, [name])
        with taps.open() as given:
            logits(module, images)
        if name not in given:
            raise OpticsError(f"{name} is not used when {type(module).__name__} computes; name another part.")
        sizes.append(_maps(given[name]).shape[1])
    return sizes[0], sizes[1]


def _maps(features: Tensor) -> Tensor:
    """(B, maps, y, x) as they are, vectors (B, n) as maps of one point."""
    if features.ndim == 2:
        return features[:, :, None, None]
    if features.ndim != 4:
        raise ShapeError(
            f"a hint's features have shape {tuple(features.shape)}; expected (B, maps, y, x) or (B, n)."
        )
    return features
