"""What training minimises.

functions.py  Cross-entropy, softened answers, decoupled answers, Dice, wasted light; per-pixel forms, void left out
hints.py      Feature hints: the student's maps should be the teacher's
tangent.py    Neural-tangent distillation: two networks that would learn alike
term.py       One term of a loss: the interface, and a step as it sees it
terms.py      The terms, one final class for each, and the table that holds them all
"""

from distill.training.losses.functions import (
    cross_entropy,
    decoupled_divergence,
    dice_loss,
    distillation_loss,
    peak_loss,
    soft_divergence,
)

__all__ = [
    "cross_entropy",
    "decoupled_divergence",
    "dice_loss",
    "distillation_loss",
    "peak_loss",
    "soft_divergence",
]
