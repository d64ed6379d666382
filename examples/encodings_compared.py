"""How should a phase-only SLM show a complex mask? Efficiency against error of every encoding, on the same mask.

Planes:
    SLM          a PLUTO-2: 8 um pixels, 8 bits, fill factor 0.93; it turns phases and cannot dim
    far field    the mask's own light in an order beside the axis, 1/8 cycle a pixel away; its error is taken there

What passes as amplitude must be thrown away somewhere: an encoding that is exact is dim.
"""

import torch

from optics import load_bench
from optics.plots import charts
from optics.slm import encoding_table

SIDE = 256  # SLM pixels


def mask():
    """A band of spectral kernel: the transform of 9 random taps, modulus at most 1, (1, y, x) complex."""
    generator = torch.Generator().manual_seed(3)
    taps = torch.zeros(SIDE, SIDE, dtype=torch.complex64)
    taps[:3, :3] = torch.view_as_complex(torch.randn(3, 3, 2, generator=generator))
    spectrum = torch.fft.fftshift(torch.fft.fft2(taps))
    return (spectrum / spectrum.abs().max())[None]


def main():
    """Error and efficiency of each encoding, both of the light in the signal order."""
    panel = load_bench("pluto2-200mm").slm
    rows = {row.method: row for row in encoding_table(mask(), panel, steps=20)}
    figure, axes = charts.panels(2)
    none = (0.0,) * len(rows)
    for place, what, label in ((axes[0], "error", "error (%)"), (axes[1], "efficiency", "efficiency (%)")):
        values = tuple(100 * getattr(row, what) for row in rows.values())
        where = tuple(float(k) for k in range(len(rows)))
        charts.bars(place, list(rows), [charts.Curve(what, where, values, none)], x=label)
    return {name: {"error": row.error, "efficiency": row.efficiency} for name, row in rows.items()}, figure


if __name__ == "__main__":
    found, figure = main()
    for name, row in found.items():
        print(f"{name:<14} error {100 * row['error']:6.2f} %, efficiency {100 * row['efficiency']:6.2f} %")
    figure.savefig("encodings_compared.png")
