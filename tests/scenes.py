"""What many tests share: seeded draws, lopsided images, relative errors, a bench with every usual flaw."""

from __future__ import annotations

import torch
from torch import Tensor

from networks import Cascade, Student
from networks.onbench.network import OnBench
from optics.bench.light import LightSpec
from optics.bench.spec import BenchSpec, InputSpec, StopSpec
from optics.camera.camera import ADCSpec, CameraSpec
from optics.slm.encoding import EncodingSpec
from optics.slm.panel import SLMSpec
from optics.wave.lens import LensSpec

SHAPE = (12, 10)
WIDTH = 532e-9 * 0.2 / 64e-6  # one band of the display's pixels: 208 SLM pixels
REAL = BenchSpec(
    name="small",
    light=LightSpec(wavelength=532e-9, photons=3e4),
    input=InputSpec(pitch=64e-6),
    lens1=LensSpec(focal_length=0.2, diameter=25.4e-3, zernike={4: 0.05}),
    stop=StopSpec(width=(WIDTH, WIDTH)),
    slm=SLMSpec(
        shape=(300, 400), pitch=8e-6, modulation="phase", bits=8, fill_factor=0.93, crosstalk=(0.3, 0.2)
    ),
    encoding=EncodingSpec(carrier=(0.125, 0.0)),
    lens2=LensSpec(focal_length=0.2, diameter=25.4e-3),
    camera=CameraSpec(
        shape=(1024, 1024),
        pitch=5e-6,
        binning=4,
        shot_noise=True,
        read_noise=2.3,
        full_well=10500.0,
        adc=ADCSpec(bits=12, black_level=20.0),
    ),
    alignment={"mask_shift": (16e-6, -8e-6), "mask_rotation": 2e-3},
)


def generator(seed: int = 0) -> torch.Generator:
    """A generator that draws the same in every run."""
    return torch.Generator().manual_seed(seed)


def error(got: Tensor, want: Tensor) -> float:
    """Relative L2 error as it stands: nothing is normalised away, neither sign nor scale."""
    return float((got - want).norm() / want.norm())


def lopsided(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    """Images (..., ny, nx) between 0 and 1, dark in one corner: a flip or a transposition shows."""
    x = torch.rand(*shape, generator=generator(seed), dtype=dtype)
    x[..., : shape[-2] // 2, : shape[-1] // 3] *= 0.1
    return x


def student(channels=(1, 3, 4), **options) -> Student:
    """An untrained student of images of SHAPE, the same each time."""
    options = {"image_shape": SHAPE, "bins": (3, 2), **options}
    return Student.build(channels, generator=generator(), **options).eval()


def images(channels=1, n=3) -> Tensor:
    """Images (n, channels, *SHAPE)."""
    return lopsided(n, channels, *SHAPE)


def on_pixels(cascade: Cascade, field: Tensor) -> Tensor:
    """Fields (..., y, x) where a camera's bins see them: of a periodic pooled cascade on all pixels, not on its few."""
    if cascade.model != "periodic" or cascade.pool is None or cascade.image_shape is None:
        return field
    for dim, n in zip((-2, -1), cascade.image_shape, strict=True):
        m = field.shape[dim]
        if m < n:
            kept = torch.arange(-((m - 1) // 2), (m - 1) // 2 + 1)
            spectrum = torch.fft.fft(field, dim=dim, norm="forward").index_select(dim, kept % m)
            whole = torch.zeros_like(spectrum.narrow(dim, 0, 1)).repeat_interleave(n, dim)
            field = torch.fft.ifft(whole.index_add(dim, kept % n, spectrum), dim=dim, norm="forward")
    return field


def on(model: Student, bench: BenchSpec, **options) -> OnBench:
    """The student on a bench, for images of SHAPE, ready to answer."""
    return model.on(bench, image_shape=SHAPE, **options).eval()
