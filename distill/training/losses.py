"""What training minimises: cross-entropy, knowledge distillation, feature hints, and their per-pixel forms.

Logits are (B, classes) for one class per image, or (B, classes, H, W) for one class per pixel; every function
takes both and averages over images and pixels. Pixels whose label is `distill.data.dataset.VOID` count in none of
them, in the teacher's part neither; where nothing counts, a loss is zero.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.data.dataset import VOID
from networks.cascade.cascade import Cascade
from networks.seeded import drawn
from optics.checks import OpticsError, ShapeError
from optics.conventions import abs2
from optics.wave.fourier import fast_length


def cross_entropy(logits: Tensor, labels: Tensor, *, ignore: int | None = None) -> Tensor:
    """Mean cross-entropy, nats.

    Args:
        logits: (B, classes) or (B, classes, H, W).
        labels: int64 (B,) or (B, H, W).
        ignore: a further label whose pixels do not count, such as "unlabelled".
    """
    _check_logits(logits, labels)
    void = void_of(labels, ignore)
    if void is None:
        return F.cross_entropy(logits, labels)
    total = F.cross_entropy(logits, labels.masked_fill(void, VOID), ignore_index=VOID, reduction="sum")
    return total / (~void).sum().clamp(min=1)


def void_of(labels: Tensor, ignore: int | None = None) -> Tensor | None:
    """Where labels are VOID or `ignore`, bool of their shape; None where they are nowhere."""
    void = labels == VOID
    if ignore is not None:
        void = void | (labels == ignore)
    return void if bool(void.any()) else None


def soft_divergence(
    student_logits: Tensor, teacher_logits: Tensor, *, temperature: float, void: Tensor | None = None
) -> Tensor:
    """`T^2 KL(softmax(teacher / T) || softmax(student / T))`, nats, mean over images and pixels that are not void.

    void: bool (B,) or (B, H, W), from `void_of`; None counts everything.

    `T^2` keeps the gradient's size independent of the temperature. Source: Hinton, Vinyals, Dean, arXiv
    1503.02531, section 2.
    """
    if student_logits.shape != teacher_logits.shape:
        raise ShapeError(
            f"the student's logits have shape {tuple(student_logits.shape)}, the teacher's "
            f"{tuple(teacher_logits.shape)}; a teacher has the same classes and the same resolution."
        )
    if not temperature > 0:
        raise OpticsError(f"temperature is {temperature:g}; expected a positive number such as 10.")
    wanted = F.log_softmax(teacher_logits / temperature, dim=1)
    given = F.log_softmax(student_logits / temperature, dim=1)
    each = (wanted.exp() * (wanted - given)).sum(dim=1)
    mean = each.mean() if void is None else each.masked_fill(void, 0).sum() / (~void).sum().clamp(min=1)
    return temperature**2 * mean


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    temperature: float = 10.0,
    alpha: float = 0.5,
    ignore: int | None = None,
) -> Tensor:
    """`alpha T^2 KL + (1 - alpha) CE`; per-pixel logits work the same way.

    Args:
        student_logits: (B, classes) or (B, classes, H, W).
        teacher_logits: same shape.
        labels: int64 (B,) or (B, H, W).
        temperature: T; the paper uses 10.
        alpha: share of the teacher's part, 0 to 1; 0 is plain cross-entropy. The paper uses 0.5.
        ignore: see `cross_entropy`; the teacher's part leaves the same pixels out.

    Source: Xiang et al., Applied Optics 61(9) 2173 (2022); Hinton et al., arXiv 1503.02531.
    """
    if not 0 <= alpha <= 1:
        raise OpticsError(f"alpha is {alpha:g}; expected between 0 (labels only) and 1 (teacher only).")
    hard = cross_entropy(student_logits, labels, ignore=ignore)
    if alpha == 0:
        return hard
    void = void_of(labels, ignore)
    soft = soft_divergence(student_logits, teacher_logits, temperature=temperature, void=void)
    return alpha * soft + (1 - alpha) * hard


def dice_loss(logits: Tensor, labels: Tensor, *, ignore: int | None = None, smooth: float = 1.0) -> Tensor:
    """One minus the Dice coefficient `(2 sum(p t) + s) / (sum(p) + sum(t) + s)`, mean over images and classes.

    Args:
        logits: (B, classes, H, W).
        labels: int64 (B, H, W).
        ignore: see `cross_entropy`.
        smooth: s, pixels; keeps a class that is absent from an image harmless.

    Source: Milletari et al., "V-Net", arXiv 1606.04797, equation 3 (with probabilities not squared).
    """
    _check_logits(logits, labels)
    if logits.ndim != 4:
        raise ShapeError(f"logits have shape {tuple(logits.shape)}; Dice is for pixels, (B, classes, H, W).")
    p = logits.softmax(dim=1)
    t = F.one_hot(labels.clamp(0, logits.shape[1] - 1), logits.shape[1]).movedim(-1, 1).to(p.dtype)
    void = void_of(labels, ignore)
    if void is not None:
        counts = (~void)[:, None].to(p.dtype)
        p, t = p * counts, t * counts
    both = (p * t).sum((-2, -1))
    total = (p + t).sum((-2, -1))
    return 1 - ((2 * both + smooth) / (total + smooth)).mean()


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
        mixed = self.mix(student)
        wanted = F.adaptive_avg_pool2d(teacher.detach(), (student.shape[-2], student.shape[-1]))
        return (_unit(mixed) - _unit(wanted)).square().mean()


def _unit(features: Tensor) -> Tensor:
    flat = features.flatten(1)
    centred = flat - flat.mean(1, keepdim=True)
    return centred / (centred.square().mean(1, keepdim=True) + 1e-8).sqrt()


def _check_logits(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim < 2 or (logits.shape[0], *logits.shape[2:]) != tuple(labels.shape):
        raise ShapeError(
            f"logits have shape {tuple(logits.shape)} and labels {tuple(labels.shape)}; expected (B, "
            "classes) with (B,), or (B, classes, H, W) with (B, H, W)."
        )


def peak_loss(model: nn.Module, images: Tensor) -> Tensor:
    """How much light the masks waste: mean of `log(max|H|^2 sum|x|^2 / sum|h * x|^2)`, zero at best.

    A mask is shown on a passive modulator as `H / max|H|`, so the share of an image's light that reaches the
    camera is the inverse of the logarithm's argument; a peaked mask has little.

    Args:
        model: has a `cascade`; a model without one, or with frozen optics, gives zero.
        images: (B, in, H, W); their mean power spectrum weighs the mask's frequencies.
    """
    cascade = getattr(model, "cascade", None)
    if not isinstance(cascade, Cascade) or not any(p.requires_grad for p in cascade.parameters()):
        return images.new_zeros(())
    ny, nx = (fast_length(n + cascade.kernel_size) for n in images.shape[-2:])
    shape = (ny, nx)
    power = torch.fft.fftshift(abs2(torch.fft.fft2(images, s=shape)).mean(0), dim=(-2, -1))
    masks = abs2(cascade.collapse(shape))
    through = (masks * power).sum((-2, -1)) / power.sum((-2, -1))
    return (masks.amax((-2, -1)) / through).log().mean()
