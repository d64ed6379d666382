"""How many bits does an SLM need? A blazed grating sends sinc^2(1/2^b) of the light where it should.

Planes:
    SLM          a phase ramp of one turn in 256 pixels, rounded to the levels 0 .. 2^b - 1
    far field    one lens further: light in the first order, as it should be, and in others, by the rounding

The last bits bring nothing here: 4 bits lose 1.3 % of the light, 8 bits 0.005 %. Source of the curve: Goodman,
Introduction to Fourier Optics, 3rd ed., section 8.3, efficiency of a phase grating of 2^b steps.
"""

import math

import torch

from optics import SLM, SLMSpec
from optics.plots import charts

PERIOD = 256  # SLM pixels a turn; many, so that the pixels themselves take no light
PIXELS = 1024


def main():
    """Efficiency for 1 to 8 bits, measured through the device's model, and beside it the curve."""
    ramp = 2 * math.pi * (torch.arange(PIXELS) / PERIOD).expand(8, PIXELS)  # radians
    found = {}
    for bits in range(1, 9):
        panel = SLM(SLMSpec(shape=(8, PIXELS), pitch=8e-6, modulation="phase", bits=bits))
        reflected = panel(ramp)  # complex reflectance of each pixel
        orders = torch.fft.fft(reflected, dim=-1, norm="forward").abs() ** 2
        found[bits] = float(orders[0, PIXELS // PERIOD])
    figure, (axes,) = charts.panels(1)
    x, none = tuple(float(b) for b in found), (0.0,) * 8
    theory = tuple(100 * (math.sin(math.pi / 2**b) / (math.pi / 2**b)) ** 2 for b in found)
    lines = [
        charts.Curve("through the model", x, tuple(100 * v for v in found.values()), none),
        charts.Curve("sinc$^2$(1/2$^b$)", x, theory, none),
    ]
    charts.curves(axes, lines, x="bits of the SLM", y="light in the first order (%)")
    return found, figure


if __name__ == "__main__":
    found, figure = main()
    print("efficiency:", {bits: round(value, 4) for bits, value in found.items()})
    figure.savefig("bits_1_to_8.png")
