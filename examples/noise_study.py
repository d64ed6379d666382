"""How much light does my network need? Accuracy against photons, with error bars.

Planes: display, lens, SLM, lens, camera of the bench "pluto2-200mm" (532 nm, f = 200 mm, PLUTO-2, 12-bit camera);
varied is `light.photons`, what one camera pixel receives in one exposure at full scale, in photons.

Every bench meets the same images and the same noise, so that the differences are sharper than the error bars.
"""

import tempfile
from pathlib import Path

import torch

from distill import TrainSpec, refit_backend, study, train
from distill.data import load
from networks import Student
from optics import load_bench

BENCH = load_bench("pluto2-200mm")
PHOTONS = "light.photons=1e1..1e5:log"  # at full scale, a camera pixel and exposure


def main():
    """Accuracy at each light level, and the study's figure."""
    digits = load("digits", limit=800)
    student = Student.build((1, 8), kernel_size=5, generator=torch.Generator().manual_seed(0))
    spec = TrainSpec(epochs=4, learning_rate=5e-3)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        train(student, digits.train, digits.validation, spec, directory=home / "training")
        on_bench = student.on(BENCH).eval()
        student.backend = refit_backend(on_bench, digits.train, digits.validation, spec).backend
        found = study(
            student,
            digits.test,
            bench=BENCH,
            vary=PHOTONS,
            draws=5,
            images=300,
            folder=home / "study",
            processes=1,
        )
        rows = {row.cell.changes["light.photons"]: row.as_is.mean for row in found.of("axis")}
        return rows, found.figure()


if __name__ == "__main__":
    found, figure = main()
    print({f"{photons:g} photons": f"{100 * value:.1f} %" for photons, value in found.items()})
    figure.savefig("noise_study.png")
