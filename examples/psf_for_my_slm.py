"""How do I make my SLM draw a point as I want it? One call: a donut, as proved files for the panel.

Planes, in the order of the light:
    display      a point; its pixels are 32 um
    lens 1       f = 150 mm
    SLM          my panel: 1152 x 1920 pixels of 9.2 um, 10 bits, fill factor 0.957
    lens 2       f = 150 mm
    camera       2048 x 2048 pixels of 6.5 um

`distill.design` designs the mask, encodes it, writes the frame with everything that a laboratory needs, predicts what
the camera will see, and sends the *written* file through two engines: this project's and LightPipes.
"""

import tempfile
from pathlib import Path

from distill import design
from distill.export.design_files import read_design
from optics import (
    BenchSpec,
    CameraSpec,
    EncodingSpec,
    InputSpec,
    LensSpec,
    LightSpec,
    SLMSpec,
    StopSpec,
    plots,
)

MINE = BenchSpec(
    name="mine",
    light=LightSpec(wavelength=633e-9, photons=2e4),  # photons on a camera pixel at full scale
    input=InputSpec(pitch=32e-6),
    lens1=LensSpec(focal_length=0.15, diameter=50.8e-3),
    stop=StopSpec(width=(2.9e-3, 2.9e-3)),
    slm=SLMSpec(shape=(1152, 1920), pitch=9.2e-6, modulation="phase", bits=10, fill_factor=0.957),
    encoding=EncodingSpec(method="direct", carrier=(0.125, 0.0)),  # (y, x) cycles per SLM pixel
    lens2=LensSpec(focal_length=0.15, diameter=50.8e-3),
    camera=CameraSpec(shape=(2048, 2048), pitch=6.5e-6, read_noise=1.6, shot_noise=True),
)


def main():
    """Error and efficiency of the predicted point-spread function, the engines' verdict, and its picture."""
    with tempfile.TemporaryDirectory() as folder:
        made = design(
            "donut:radius=4", bench=MINE, directory=Path(folder) / "donut", compare=False, lab=False
        )
        _manifest, _bench, files = read_design(Path(folder) / "donut")
        spread = files.psfs[0].abs() ** 2
    mask = made.masks[0]
    title = f"a donut, predicted: error {100 * mask.error:.1f} %"
    found = {"error": mask.error, "efficiency": mask.efficiency, "proved": float(made.verdict.passed)}
    return found, plots.psf(spread, pitch=made.psf_pitch, title=title, decades=3)


if __name__ == "__main__":
    found, figure = main()
    print({name: round(value, 4) for name, value in found.items()})
    figure.savefig("psf_for_my_slm.png")
