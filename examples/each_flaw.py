"""What does each flaw of the optics do, alone? Ideal beside real, one flaw after another.

Planes, in the order of the light:
    display      a handwritten digit, 28 x 28 pixels of 32 um
    lens 1       f = 200 mm
    SLM          a HOLOEYE PLUTO-2 in the Fourier plane, 8 um pixels: a mask that finds upright edges
    lens 2       f = 200 mm
    camera       3.45 um pixels, binned 8 x 8

The ideal bench and the real one are the same object with other numbers: `bench.ideal()` sets every flaw to its ideal
value, and `replace` puts one of them back. One stays throughout: the panel turns phases only, so that the picture
stands beside the axis, in a carrier's order, as in the laboratory. Exposures are without noise: a difference is the
flaw's alone.
"""

import torch

from distill.data import load
from distill.studies.axes import bench_with, flaws
from networks import Student
from optics import SpecError, load_bench
from optics.plots import charts

SOBEL = (
    torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]) / 8
)  # a convolution kernel, (y, x)


def seen(student, bench, digit):
    """Intensity that the camera reads, in units of full scale and corrected for the bench's throughput, (y, x)."""
    network = student.on(bench, image_shape=(28, 28)).eval()
    with torch.no_grad():
        counts = network.frames(digit)  # (1, 1, y, x)
        return network.recorders[0].relative(counts)[0, 0] / network.gain**2


def main():
    """Relative change of the camera's picture by each flaw alone, and what the largest do to it."""
    student = Student.build(
        (1, 1), parameterisation="real", kernel_size=3, bins=None, generator=torch.Generator().manual_seed(0)
    )
    with torch.no_grad():
        student.cascade.layers[0].weight.copy_(SOBEL)
    digit = load("digits", limit=20).test.images[:1]  # (1, 1, 28, 28), amplitudes 0 to 1
    real = load_bench("pluto2-200mm")
    real = real.replace(**{"slm.flicker": 0.3})  # radians
    ideal = real.ideal().replace(**{"slm.modulation": "phase"})
    perfect = seen(student, ideal, digit)
    changes, pictures = {}, {}
    for flaw, value in flaws(real).items():
        if flaw.startswith("camera"):
            continue  # a study ranks those: examples/noise_study.py
        try:
            picture = seen(student, bench_with(ideal, flaw, value), digit)
        except SpecError:
            continue  # a flaw that only means something beside another
        changes[flaw] = float((picture - perfect).norm() / perfect.norm())
        pictures[flaw] = picture
    order = sorted(changes, key=changes.get, reverse=True)
    changes["all together"] = float((seen(student, real, digit) - perfect).norm() / perfect.norm())
    pictures["all together"] = seen(student, real, digit)
    full = perfect.max()
    worst = [*order[:4], "all together"]
    # what changes: grey is nothing, white is brighter, black is darker by a quarter of the ideal's brightest pixel
    shown = [digit[0], perfect[None] / full, *(0.5 + 2 * (pictures[f] - perfect)[None] / full for f in worst)]
    names = ["display", "ideal", *(f"{f.partition('.')[2] or f}\n{100 * changes[f]:.1f} %" for f in worst)]
    return {name: changes[name] for name in (*order, "all together")}, charts.strip(
        [p.clamp(0, 1) for p in shown], names
    )


if __name__ == "__main__":
    found, figure = main()
    for name, value in found.items():
        print(f"{name:<28} {100 * value:6.2f} %")
    figure.savefig("each_flaw.png")
