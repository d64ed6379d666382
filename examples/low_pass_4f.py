"""What does a stop in the Fourier plane do? It takes out all that is finer than its edge lets through.

Planes, in the order of the light:
    display      bars of period 128 um, 128 x 128 pixels of 16 um
    lens 1       f = 200 mm: an angle at the display is a place in the next plane
    Fourier      a square stop; the bars' first order stands 532 nm * 200 mm / 128 um = 0.83 mm from the axis
    lens 2       f = 200 mm
    camera       what is left of the bars

A stop of 1.2 mm ends 0.6 mm from the axis and the bars vanish; one of 2 mm lets their first order pass.
"""

import torch

from optics import (
    BenchSpec,
    CameraSpec,
    CameraWindow,
    FourF,
    InputSpec,
    LensSpec,
    LightSpec,
    SLMSpec,
    StopSpec,
)
from optics.plots import charts

PITCH = 16e-6  # metres, of the display's pixels
PERIOD = 128e-6  # metres, of the bars
WIDTHS = {"narrow stop": 1.2e-3, "wide stop": 2e-3}  # metres, of the square stop

BENCH = BenchSpec(
    name="low pass",
    light=LightSpec(wavelength=532e-9),
    input=InputSpec(pitch=PITCH),
    lens1=LensSpec(focal_length=0.2),
    slm=SLMSpec(shape=(512, 512), pitch=8e-6),  # here a clear window: it shows the mask 1 everywhere
    lens2=LensSpec(focal_length=0.2),
    camera=CameraSpec(shape=(1024, 1024), pitch=4e-6),
)


def main():
    """Contrast of the bars on the camera behind each stop, and the pictures."""
    x = (torch.arange(128) + 0.5) * PITCH
    bars = ((x % PERIOD) < PERIOD / 2).float().expand(128, 128)
    pictures, contrasts = [bars], {}
    for name, width in WIDTHS.items():
        system = FourF(BENCH.replace(stop=StopSpec(width=(width, width))), CameraWindow((128, 128), margin=0))
        clear = torch.ones_like(system.pupil)[None]  # the mask: (1, y, x), one value for each SLM pixel
        camera = system(bars[None], clear)[0, 0]  # intensity, (y, x)
        middle = camera[camera.shape[0] // 2, 3 * camera.shape[1] // 8 : 5 * camera.shape[1] // 8]
        high, low = float(middle.max()), float(middle.min())
        contrasts[name] = (high - low) / (high + low)
        pictures.append(camera / camera.max())
    titles = ["display", *(f"{name}, {1e3 * w:g} mm" for name, w in WIDTHS.items())]
    return contrasts, charts.strip([p[None] for p in pictures], titles)


if __name__ == "__main__":
    found, figure = main()
    print("contrast on the camera:", {name: round(value, 3) for name, value in found.items()})
    figure.savefig("low_pass_4f.png")
