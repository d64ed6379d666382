"""Prints the tables of docs/encodings.md. A minute of one core.

python docs/encodings_table.py
"""

from __future__ import annotations

import torch
from torch import Tensor

from optics.bench import catalogue
from optics.conventions import axis
from optics.slm.direct_design import EncodingRow, encoding_table
from optics.slm.panel import SLMSpec
from optics.wave.fourier import dft_matrix

PANEL, PITCH, SCALE = 416, 8e-6, 532e-9 * 0.2
NEAR, FAR = (1 / 16, 0.0), (1 / 8, 0.0)


def masks() -> Tensor:
    """Four random complex kernels of 7 x 7 taps, 32 um apart, as masks of the largest modulus 1; (4, 416, 416)."""
    kernels = torch.randn(4, 7, 7, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    matrix = dft_matrix(axis(PANEL, PITCH), axis(7, 32e-6), scale=SCALE)
    planes = matrix @ kernels @ matrix.mT
    return (planes / planes.abs().amax((-2, -1), keepdim=True)).to(torch.complex64)


def phase_rows() -> list[tuple[str, tuple[float, float], SLMSpec]]:
    """Name, carrier and panel of each row."""
    ideal = SLMSpec(shape=(1080, 1920), pitch=PITCH, modulation="phase")
    lossless = {"reflectivity": 1.0, "zero_order": 0.0}  # what is lost alike by every encoding
    pluto = SLMSpec(**catalogue.load("holoeye-pluto-2", kind="slm").figures | lossless)
    fringing = pluto.replace(crosstalk=(0.3, 0.3), flicker=0.06)
    gaea = SLMSpec(**catalogue.load("holoeye-gaea-2", kind="slm").figures | lossless).replace(
        crosstalk=(0.6, 0.9)
    )
    return [
        ("ideal", FAR, ideal),
        ("ideal", NEAR, ideal),
        ("PLUTO-2, 8 bit, F 0.93", FAR, pluto.replace(crosstalk=(0.0, 0.0), flicker=0.0)),
        ("and crosstalk 0.3, ripple 0.06", FAR, fringing),
        ("and crosstalk 0.3, ripple 0.06", NEAR, fringing),
        ("GAEA-2, crosstalk 0.6 x 0.9", FAR, gaea),
    ]


def hologram_rows() -> list[tuple[str, tuple[float, float], SLMSpec]]:
    """The same of amplitude panels and mirror arrays."""
    amplitude = SLMSpec(shape=(1080, 1920), pitch=PITCH, modulation="amplitude")
    real = amplitude.replace(bits=8, fill_factor=0.93)
    mirrors = SLMSpec(shape=(1080, 1920), pitch=PITCH, modulation="dmd")
    dlp = SLMSpec(**catalogue.load("ti-dlp6500", kind="slm").figures)
    oblique = (0.125, 12 / PANEL)
    return [
        ("ideal amplitude", FAR, amplitude),
        ("ideal amplitude, no whole periods", (0.15, 0.04), amplitude),
        ("amplitude, 8 bit, F 0.93", FAR, real),
        ("and crosstalk 0.3", FAR, real.replace(crosstalk=(0.3, 0.3))),
        ("ideal amplitude, but 4 bit", FAR, amplitude.replace(bits=4)),
        ("ideal mirrors", FAR, mirrors),
        ("ideal mirrors", NEAR, mirrors),
        ("ideal mirrors", oblique, mirrors),
        ("DLP6500", FAR, dlp),
        ("DLP6500", oblique, dlp),
    ]


def _small(value: float) -> str:
    return f"{value:.4f}" if value < 0.001 else f"{value:.3f}"


def _found(carrier: tuple[float, float], panel: SLMSpec) -> dict[str, EncodingRow]:
    width = 0.031 if carrier == NEAR else 0.05
    rows = encoding_table(masks(), panel, carrier=carrier, half=(width, width))
    return {row.method: row for row in rows}


def main() -> None:
    """Both tables as Markdown."""
    print(f"mean squared modulus of the masks: {float(masks().abs().square().mean()):.2f}\n")
    heading: list[str] = []
    for name, carrier, panel in phase_rows():
        found = _found(carrier, panel)
        if not heading:
            heading = ["panel", "carrier", *found]
            print("| " + " | ".join(heading) + " |\n" + "| --- " * len(heading) + "|")
        for label, value in (
            ("gain", lambda r: f"{r.gain:.2f}"),
            ("error", lambda r: _small(r.error)),
            ("zero order", lambda r: f"{r.zero_order:.3f}"),
        ):
            cells = [
                f"{name}: {label}",
                f"1/{round(1 / carrier[0])}",
                *(value(row) for row in found.values()),
            ]
            print("| " + " | ".join(cells) + " |")
    print("\n| panel | method | carrier | gain | error | zero order |\n" + "| --- " * 6 + "|")
    for name, carrier, panel in hologram_rows():
        for method, row in _found(carrier, panel).items():
            shown = f"({carrier[0]:.4g}, {carrier[1]:.3g})"
            print(
                f"| {name} | {method} | {shown} | {row.gain:.3f} | {_small(row.error)} | {row.zero_order:.3f} |"
            )


if __name__ == "__main__":
    main()
