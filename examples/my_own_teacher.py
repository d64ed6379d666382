"""I have a trained network of my own. Can it teach the linear optics?

Planes: none here; the optics are one strictly linear layer of 16 masks, a camera that squares, 4 x 4 bins, and one
matrix. The teacher is any `torch.nn.Module` with the same images and classes; only its answers are asked.

The same student is trained twice from the same first values: on the labels alone, and with the teacher's softened
answers beside them (temperature 2, share 1/2; Xiang et al., Applied Optics 61, 2173, 2022).
"""

import tempfile
from pathlib import Path

import torch
from torch import nn

from distill import DistillationSpec, TrainSpec, evaluate, train
from distill.data import load
from networks import Student
from optics.plots import charts

IMAGES = 1500  # of the digits that come with the package
EPOCHS = 8


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Mine(nn.Module):
    """A small convolutional network, as anybody might have one."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU(), nn.Flatten()
        )
        self.answer = nn.Linear(32 * 4 * 4, 10)
        for part in self.parameters():  # first values from a seed of our own
            if part.ndim > 1:
                nn.init.kaiming_uniform_(part, generator=seeded(part.numel()))

    def forward(self, images):
        """Images (B, 1, 28, 28) to logits (B, 10)."""
        return self.answer(self.layers(images))


def main():
    """Test accuracy of teacher, of the student on labels, and of the student that was taught."""
    digits = load("digits", limit=IMAGES)
    spec = TrainSpec(
        epochs=EPOCHS, learning_rate=3e-3, distillation=DistillationSpec(temperature=2.0, alpha=0.5)
    )
    found, curves = {}, []
    with tempfile.TemporaryDirectory() as folder:
        teacher = Mine()
        train(
            teacher,
            digits.train,
            digits.validation,
            spec.replace(epochs=8),
            directory=Path(folder) / "teacher",
        )
        found["teacher"] = evaluate(teacher, digits.test).accuracy
        for name, guide in {"on the labels": None, "taught": teacher}.items():
            student = Student.build((1, 16), kernel_size=5, generator=seeded())
            history = train(
                student, digits.train, digits.validation, spec, directory=Path(folder) / name, teacher=guide
            )
            found[name] = evaluate(student, digits.test).accuracy
            x = tuple(float(e.epoch) for e in history.epochs)
            y = tuple(100 * e.validation_accuracy for e in history.epochs)
            curves.append(charts.Curve(name, x, y, (0.0,) * len(x)))
    figure, (axes,) = charts.panels(1)
    charts.curves(axes, curves, x="epoch", y="validation accuracy (%)")
    return found, figure


if __name__ == "__main__":
    found, figure = main()
    print({name: f"{100 * value:.1f} %" for name, value in found.items()})
    figure.savefig("my_own_teacher.png")
