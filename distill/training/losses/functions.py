"""Loss functions: cross-entropy, softened and decoupled answers, Dice, wasted light; and their per-pixel forms.

Logits are (B, classes) for one class per image, or (B, classes, H, W) for one class per pixel; every function
takes both and averages over images and pixels. Pixels whose label is `distill.data.dataset.VOID` count in none of
them, in the teacher's part neither; where nothing counts, a loss is zero.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill.data.augmentation import Answers
from distill.data.dataset import VOID
from networks.cascade.cascade import Cascade
from optics.checks import OpticsError, ShapeError
from optics.conventions import abs2
from optics.wave.fourier import fast_length


def cross_entropy(
    logits: Tensor, labels: Tensor | Answers, *, ignore: int | None = None, smoothing: float = 0.0
) -> Tensor:
    """Mean cross-entropy, nats.

    Args:
        logits: (B, classes) or (B, classes, H, W).
        labels: int64 (B,) or (B, H, W); of mixed images `Answers`: `share CE(labels) + (1 - share) CE(others)`.
        ignore: a further label whose pixels do not count, such as "unlabelled".
        smoothing: share of the answer that goes to all classes alike (Szegedy et al., arXiv 1512.00567, section 7).
    """
    answers = labels if isinstance(labels, Answers) else Answers(labels)
    _check_logits(logits, answers.labels)
    hidden = unanswered(answers, ignore)
    if answers.others is not None and answers.share is not None:
        pair = [
            y if hidden is None else y.masked_fill(hidden, VOID) for y in (answers.labels, answers.others)
        ]
        each = [F.cross_entropy(logits, y, reduction="none", label_smoothing=smoothing) for y in pair]
        share = answers.share.reshape(-1, *[1] * (each[0].ndim - 1))
        return (share * each[0] + (1 - share) * each[1]).sum() / max(1, counted(answers, hidden))
    if hidden is None:
        return F.cross_entropy(logits, answers.labels, label_smoothing=smoothing)
    kept = answers.labels.masked_fill(hidden, VOID)
    total = F.cross_entropy(logits, kept, ignore_index=VOID, reduction="sum", label_smoothing=smoothing)
    return total / max(1, counted(answers, hidden))


def void_of(labels: Tensor, ignore: int | None = None) -> Tensor | None:
    """Where labels are VOID or `ignore`, bool of their shape; None where they are nowhere."""
    void = labels == VOID
    if ignore is not None:
        void = void | (labels == ignore)
    return void if bool(void.any()) else None


def void_in(answers: Answers, ignore: int | None = None) -> Tensor | None:
    """Where nothing counts, the teacher neither: void in an image or in the one that it is mixed with."""
    return _either(void_of(answers.labels, ignore), answers.others, lambda y: void_of(y, ignore))


def unanswered(answers: Answers, ignore: int | None = None) -> Tensor | None:
    """Where labels do not count: void, `ignore`, or never given, in an image or in the one that it is mixed with."""

    def missing(labels: Tensor) -> Tensor | None:
        hidden = labels < 0
        if ignore is not None:
            hidden = hidden | (labels == ignore)
        return hidden if bool(hidden.any()) else None

    return _either(missing(answers.labels), answers.others, missing)


def _either(
    here: Tensor | None, others: Tensor | None, find: Callable[[Tensor], Tensor | None]
) -> Tensor | None:
    there = None if others is None else find(others)
    if here is None or there is None:
        return there if here is None else here
    return here | there


def counted(answers: Answers, hidden: Tensor | None) -> int:
    """Images or pixels that are not hidden, by `unanswered` or `void_in`."""
    return answers.labels.numel() if hidden is None else int((~hidden).sum())


def images_counted(answers: Answers, hidden: Tensor | None) -> int:
    """Images of which anything is not hidden."""
    return len(answers.labels) if hidden is None else int((~hidden).flatten(1).any(1).sum())


def soft_divergence(
    student_logits: Tensor, teacher_logits: Tensor, *, temperature: float, void: Tensor | None = None
) -> Tensor:
    """`T^2 KL(softmax(teacher / T) || softmax(student / T))`, nats, mean over images and pixels that are not void.

    void: bool (B,) or (B, H, W), from `void_of`; None counts everything.

    `T^2` keeps the gradient's size independent of the temperature. Source: Hinton, Vinyals, Dean, arXiv
    1503.02531, section 2.
    """
    _check_pair(student_logits, teacher_logits, temperature)
    wanted = F.log_softmax(teacher_logits / temperature, dim=1)
    given = F.log_softmax(student_logits / temperature, dim=1)
    each = (wanted.exp() * (wanted - given)).sum(dim=1)
    return temperature**2 * _mean(each, void)


def decoupled_divergence(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    target: float = 1.0,
    rest: float = 8.0,
    void: Tensor | None = None,
) -> Tensor:
    """`T^2 (target TCKD + rest NCKD)`, nats, mean over images and pixels that are not void.

    With p the softened answers, t the label: TCKD is the divergence of `(p_t, 1 - p_t)`, NCKD that of the other
    classes' `p_i / (1 - p_t)`. Plain distillation is `TCKD + (1 - p_t) NCKD` with the teacher's p.

    Args:
        student_logits: (B, classes) or (B, classes, H, W).
        teacher_logits: same shape.
        labels: int64 (B,) or (B, H, W); where there is none (below zero) the teacher's own answer is the target.
        temperature: T.
        target: weight of TCKD; 1 in the source.
        rest: weight of NCKD; 2 to 10 in the source.
        void: see `soft_divergence`.

    Source: Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022, arXiv 2203.08679, equations 4 to 7.
    """
    _check_pair(student_logits, teacher_logits, temperature)
    _check_logits(student_logits, labels)
    known = torch.where(labels < 0, teacher_logits.argmax(1), labels)[:, None]
    hidden = torch.zeros_like(student_logits, dtype=torch.bool).scatter_(1, known, True)
    wanted, given = (_decoupled(x / temperature, known, hidden) for x in (teacher_logits, student_logits))
    binary = sum(w.exp() * (w - g) for w, g in zip(wanted[:2], given[:2], strict=True))
    others = (wanted[2].exp() * (wanted[2] - given[2])).masked_fill(hidden, 0).sum(1, keepdim=True)
    return temperature**2 * _mean((target * binary + rest * others)[:, 0], void)


def _decoupled(z: Tensor, known: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logarithms of the target's probability, of all others' together, and of each among the others (target: 0)."""
    whole = z.logsumexp(1, keepdim=True)
    lowest = torch.finfo(z.dtype).min / 2
    rest = z.masked_fill(hidden, lowest).logsumexp(1, keepdim=True)
    return z.gather(1, known) - whole, rest - whole, (z - rest).masked_fill(hidden, 0)


def _mean(each: Tensor, void: Tensor | None) -> Tensor:
    return each.mean() if void is None else each.masked_fill(void, 0).sum() / (~void).sum().clamp(min=1)


def _check_pair(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> None:
    if student_logits.shape != teacher_logits.shape:
        raise ShapeError(
            f"the student's logits have shape {tuple(student_logits.shape)}, the teacher's "
            f"{tuple(teacher_logits.shape)}; a teacher has the same classes and the same resolution."
        )
    if not temperature > 0:
        raise OpticsError(f"temperature is {temperature:g}; expected a positive number such as 10.")


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


def dice_loss(
    logits: Tensor, labels: Tensor | Answers, *, ignore: int | None = None, smooth: float = 1.0
) -> Tensor:
    """One minus the Dice coefficient `(2 sum(p t) + s) / (sum(p) + sum(t) + s)`, mean over images and classes.

    Images of which no pixel counts are not among them.

    Args:
        logits: (B, classes, H, W).
        labels: int64 (B, H, W); of mixed images `Answers`: t is then `share t(labels) + (1 - share) t(others)`.
        ignore: see `cross_entropy`.
        smooth: s, pixels; keeps a class that is absent from an image harmless.

    Source: Milletari et al., "V-Net", arXiv 1606.04797, equation 3 (with probabilities not squared).
    """
    answers = labels if isinstance(labels, Answers) else Answers(labels)
    _check_logits(logits, answers.labels)
    if logits.ndim != 4:
        raise ShapeError(
            f"logits have shape {tuple(logits.shape)}; Dice is for pixels (B, classes, H, W): set dice = 0."
        )

    def shown(y: Tensor) -> Tensor:
        each = F.one_hot(y.clamp(0, logits.shape[1] - 1), logits.shape[1])
        return each.movedim(-1, 1).to(logits.dtype)

    target = shown(answers.labels)
    if answers.others is not None and answers.share is not None:
        share = answers.share[:, None, None, None]
        target = share * target + (1 - share) * shown(answers.others)
    return dice_between(logits.softmax(dim=1), target, unanswered(answers, ignore), smooth=smooth)


def dice_between(p: Tensor, t: Tensor, void: Tensor | None = None, *, smooth: float = 1.0) -> Tensor:
    """One minus the Dice coefficient of two maps of probabilities (B, classes, H, W); `void` (B, H, W) does not count.

    See `dice_loss`.
    """
    if p.ndim != 4:
        raise ShapeError(
            f"logits have shape {tuple(p.shape)}; Dice is for pixels (B, classes, H, W): set dice = 0."
        )
    if void is not None:
        counts = (~void)[:, None].to(p.dtype)
        p, t = p * counts, t * counts
    both = (p * t).sum((-2, -1))
    total = (p + t).sum((-2, -1))
    each = (2 * both + smooth) / (total + smooth)
    if void is not None and not bool(void.all()):
        each = each[~void.flatten(1).all(1)]  # an image without a pixel that counts would be a perfect one
    return 1 - each.mean()


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
        model: has a cascade in it; a model without one, or with frozen optics, gives zero.
        images: (B, in, H, W); their mean power spectrum weighs the mask's frequencies.
    """
    cascade = next((part for part in model.modules() if isinstance(part, Cascade)), None)
    if cascade is None or not any(p.requires_grad for p in cascade.parameters()):
        return images.new_zeros(())
    ny, nx = (fast_length(n + cascade.kernel_size) for n in images.shape[-2:])
    shape = (ny, nx)
    power = torch.fft.fftshift(abs2(torch.fft.fft2(images, s=shape)).mean(0), dim=(-2, -1))
    masks = abs2(cascade.collapse(shape))
    through = (masks * power).sum((-2, -1)) / power.sum((-2, -1))
    return (masks.amax((-2, -1)) / through).log().mean()
