"""Which of two benches serves my network better, and what does each flaw cost there?

Planes: display, lens, SLM, lens, camera, of three benches: the shipped one without a flaw, the shipped one as it is,
and one that I could build with the SLM one pitch aside and a camera of 8 bits.

One call makes a page for a supervisor (compare.html); here only its figure and its rows are kept.
"""

import tempfile
from pathlib import Path

import torch

from distill import TrainSpec, compare, save, train
from distill.data import load
from networks import Student
from optics import load_bench

MINE = load_bench("pluto2-200mm").replace(
    **{"name": "mine", "camera.adc.bits": 8, "alignment.mask_shift": (8e-6, 0.0), "slm.crosstalk": (0.6, 0.6)}
)


def main():
    """Accuracy on each bench, the back end fitted there, and the figure."""
    digits = load("digits", limit=600)
    student = Student.build((1, 8), kernel_size=5, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        spec = TrainSpec(epochs=4, learning_rate=5e-3)
        train(student, digits.train, digits.validation, spec, directory=home / "training")
        save(student, home / "network.safetensors")
        found = compare(
            home / "network.safetensors",
            ["ideal", "own", MINE],
            flaw_costs=False,
            draws=4,
            images=200,
            refit=spec,
            refit_images=400,
            processes=1,
        )
        return {row.name: row.refit.mean for row in found.rows}, found.figure()


if __name__ == "__main__":
    found, figure = main()
    print({name: f"{100 * value:.1f} %" for name, value in found.items()})
    figure.savefig("compare_benches.png")
