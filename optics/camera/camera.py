"""A camera: from expected photons on its pixels to digital counts.

Chain of one exposure, per (binned) pixel of `n x n` sensor pixels; every step is absent when its flaw is:

    electrons = Poisson(QE (1 + prnu) photons + n^2 dark_current exposure + hot)   at most n^2 full_well
    counts    = round((electrons + read + dsnu) / gain + n^2 black_level)          in 0 .. n^2 (2^bits - 1)

Binning is digital, the sum of n x n counts: it is simulated as one pixel of n^2 area, with read noise `n
sigma`, the same electrons per count, and (with a generator) the rounding error of n^2 converters instead of
one, n^2 / 12 counts^2. The names and the chain are those of EMVA Standard 1288, release 4.0, section 2.
"""

from __future__ import annotations

import functools
import math
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from optics import draws
from optics.camera.noise import Chain, noisy_counts
from optics.checks import OpticsError, SpecError, check_finite, check_shape
from optics.conventions import Point, axis
from optics.spec import Seed, Spec, check_pixels, flaw, metres

UNKNOWN_FULL_WELL = 1e4  # electrons; what a hot pixel may collect where no full well is given


class ADCSpec(Spec):
    """Electrons to counts.

    bits: per sensor pixel; None = continuous. gain: electrons per count (DN); None = full_well / (2**bits -
    1), or 1 where bits or full well are absent. black_level: counts added to every sensor pixel, so that read
    noise is not clipped at zero.
    """

    bits: int | None = flaw(None, ge=1, le=20)
    gain: float | None = flaw(None, ge=1e-9, le=1e9)
    black_level: float = flaw(0.0, ge=0.0, le=1e9)


class UniformitySpec(Spec):
    """What differs from pixel to pixel and stays: fixed patterns of the sensor, drawn once from `seed`.

    prnu: photo-response non-uniformity, rms share of the signal. dsnu: dark-signal non-uniformity, electrons
    rms. hot_pixels: share of sensor pixels with extra dark signal, uniform up to a full well per
    exposure. fringes: modulation of the response by interference in the sensor's window, and their period along y
    and x, metres; 0 is none along that axis. Raising a figure scales (or adds to) the same pattern.
    """

    prnu: float = flaw(0.0, ge=0.0, le=0.5)
    dsnu: float = flaw(0.0, ge=0.0, le=1e9)
    fringes: float = flaw(0.0, ge=0.0, le=1.0)
    fringe_period: Point = (4e-4, 7e-4)
    hot_pixels: float = flaw(0.0, ge=0.0, le=1.0)
    seed: Seed = 0


class CameraSpec(Spec):
    """A camera as its data sheet describes it; every per-pixel figure is that of one unbinned sensor pixel.

    shape: sensor pixels (y, x). pitch: metres; the pixels are square and fill their area. binning: pixels per
    side summed digitally into one. quantum_efficiency: electrons per photon. read_noise: electrons rms.
    dark_current: electrons per second. exposure: seconds. full_well: electrons; None = unlimited. background:
    photons per exposure of stray light, the same on every pixel; the electronics knows its mean, as from a
    frame without signal.
    """

    shape: tuple[int, int]
    pitch: Annotated[float, metres(1e-7, 1e-3)]
    binning: int = Field(default=1, ge=1)
    quantum_efficiency: float = flaw(1.0, ge=1e-9, le=1.0)
    shot_noise: bool = flaw(False)
    read_noise: float = flaw(0.0, ge=0.0, le=1e9)
    dark_current: float = flaw(0.0, ge=0.0, le=1e15)
    exposure: float = Field(default=1e-2, gt=0.0, le=1e5)
    full_well: float | None = flaw(None, ge=1.0, le=1e15)
    background: float = flaw(0.0, ge=0.0, le=1e15)
    adc: ADCSpec = ADCSpec()
    uniformity: UniformitySpec = UniformitySpec()

    @model_validator(mode="after")
    def _sizes(self) -> CameraSpec:
        check_pixels(self.shape)
        if min(self.shape) < self.binning:
            raise ValueError(
                f"shape is {self.shape} pixels with binning {self.binning}; expected one binned pixel or more"
            )
        return self

    @property
    def binned_shape(self) -> tuple[int, int]:
        """Binned pixels (y, x) of the whole sensor; the rest of a division is left at the end."""
        return (self.shape[0] // self.binning, self.shape[1] // self.binning)

    @property
    def binned_pitch(self) -> float:
        """Side of one binned pixel, metres."""
        return self.pitch * self.binning

    @property
    def gain(self) -> float:
        """Electrons per count; the same for binned pixels."""
        if self.adc.gain is not None:
            return self.adc.gain
        if self.adc.bits is None or self.full_well is None:
            return 1.0
        return self.full_well / (2**self.adc.bits - 1)

    @property
    def black(self) -> float:
        """Counts that a binned pixel adds to its signal."""
        return self.binning**2 * self.adc.black_level

    @property
    def dark_electrons(self) -> float:
        """Mean dark signal of a binned pixel in one exposure, electrons."""
        return self.binning**2 * self.dark_current * self.exposure

    @property
    def ceiling(self) -> float:
        """Largest count of a binned pixel; infinite without an ADC."""
        return math.inf if self.adc.bits is None else float(self.binning**2 * (2**self.adc.bits - 1))

    @property
    def saturation_photons(self) -> float:
        """Photons at which a binned pixel saturates, its well or its ADC; infinite if neither does."""
        well = math.inf if self.full_well is None else self.binning**2 * self.full_well
        return (
            min(well, (self.ceiling - self.black) * self.gain) - self.dark_electrons
        ) / self.quantum_efficiency - self.binning**2 * self.background


_NOISELESS = 1e17  # electrons, whose shot noise is 3e-9 of them
Region = tuple[slice, slice]


class Camera(nn.Module):
    """A camera, or a region of interest on it.

    Args:
        spec: what the camera is.
        region: (rows, columns) slices of the *binned* pixels of the whole sensor; None = all of it.
            Fixed patterns belong to the sensor's pixels, so a region sees the same ones as the whole sensor does.
        assumed: the spec with which `photons_of` turns counts into photons, for instance a
            calibration's result; None = `spec`.

    Attributes:
        shape: (y, x) binned pixels that `expose` takes.

    Raises:
        SpecError: the region is empty or leaves the sensor.
    """

    response: Tensor | None
    dark: Tensor | None
    offset: Tensor | None

    def __init__(
        self, spec: CameraSpec, *, region: Region | None = None, assumed: CameraSpec | None = None
    ) -> None:
        super().__init__()
        self.spec = spec
        self.assumed = spec if assumed is None else assumed
        self.region = (slice(None), slice(None)) if region is None else region
        self.shape = _region_shape(spec, self.region)
        response, dark, offset = _fixed_patterns(spec, self.region)
        self.register_buffer("response", response, persistent=False)
        self.register_buffer("dark", dark, persistent=False)
        self.register_buffer("offset", offset, persistent=False)

    def mean_electrons(self, photons: Tensor) -> Tensor:
        """Expected electrons before saturation, (..., y, x), from photons (..., y, x); the input if ideal."""
        spec, electrons = self.spec, photons
        if spec.background != 0.0:
            electrons = electrons + spec.binning**2 * spec.background
        if spec.quantum_efficiency != 1.0:
            electrons = electrons * spec.quantum_efficiency
        if self.response is not None:
            electrons = electrons * self.response.to(electrons.dtype)
        if spec.dark_electrons != 0.0:
            electrons = electrons + spec.dark_electrons
        if self.dark is not None:
            electrons = electrons + self.dark.to(electrons.dtype)
        return electrons

    def expose(
        self, photons: Tensor, *, generator: torch.Generator | None = None, differentiable: bool = False
    ) -> Tensor:
        """One exposure of each frame.

        Args:
            photons: expected photons per binned pixel (..., y, x), real floating point, `shape` last.
            generator: source of the noise (`optics.draws`); None = no random draw (full well, rounding and
                fixed patterns remain).
            differentiable: noise as a reparameterised Gaussian of the same mean and variance, and rounding with a
                straight-through gradient, see `optics.camera.noise`; False = true Poisson and plain rounding.

        Returns:
            Counts (..., y, x), same dtype; whole numbers where the ADC has bits. With an ideal spec,
            `photons` itself.

        Raises:
            ShapeError: the frames do not have the camera's shape.
            OpticsError: the photons are complex or integers, or not finite.
        """
        if not photons.is_floating_point():
            raise OpticsError(
                f"photons has dtype {photons.dtype}, expected real floating point: pass abs2(field)."
            )
        check_shape(
            photons,
            (*photons.shape[:-2], *self.shape),
            name="photons",
            fix="One value per binned pixel of the region.",
        )
        check_finite(photons, name="photons")
        electrons, chain = self.mean_electrons(photons), self.chain()
        if differentiable:
            return noisy_counts(electrons, chain, generator)
        if chain.shot and generator is not None:
            electrons = _counted(electrons.detach().clamp(min=0.0), generator)
        if math.isfinite(chain.well):
            electrons = electrons.clamp(max=chain.well)
        if chain.read != 0.0 and generator is not None:
            electrons = electrons + chain.read * draws.normal(electrons.shape, generator, like=electrons)
        if chain.offset is not None:
            electrons = electrons + chain.offset.to(electrons.dtype)
        return self._digitise(electrons, chain)

    def forward(
        self, photons: Tensor, *, generator: torch.Generator | None = None, differentiable: bool = False
    ) -> Tensor:
        """`expose`."""
        return self.expose(photons, generator=generator, differentiable=differentiable)

    def chain(self) -> Chain:
        """What follows the mean. Its read noise includes the rounding of all but one of a binned pixel's ADCs."""
        spec, pixels = self.spec, self.spec.binning**2
        rounding = 0.0 if spec.adc.bits is None else (pixels - 1) * spec.gain**2 / 12
        return Chain(
            shot=spec.shot_noise,
            well=math.inf if spec.full_well is None else pixels * spec.full_well,
            read=math.sqrt(pixels * spec.read_noise**2 + rounding),
            offset=self.offset,
            gain=spec.gain,
            black=spec.black,
            ceiling=spec.ceiling,
        )

    def _digitise(self, electrons: Tensor, chain: Chain) -> Tensor:
        counts = electrons
        if chain.gain != 1.0:
            counts = counts / chain.gain
        if chain.black != 0.0:
            counts = counts + chain.black
        return counts if math.isinf(chain.ceiling) else counts.clamp(0.0, chain.ceiling).round()

    def photons_of(self, counts: Tensor) -> Tensor:
        """Photons behind counts, both (..., y, x), linearly: `((counts - black) gain - dark) / QE`.

        Uses the assumed spec's mean figures; fixed patterns are not undone. With an ideal spec, `counts`
        itself.
        """
        spec, x = self.assumed, counts
        if spec.black != 0.0:
            x = x - spec.black
        if spec.gain != 1.0:
            x = x * spec.gain
        if spec.dark_electrons != 0.0:
            x = x - spec.dark_electrons
        if spec.quantum_efficiency != 1.0:
            x = x / spec.quantum_efficiency
        return x - spec.binning**2 * spec.background if spec.background != 0.0 else x

    def saturated(self, counts: Tensor) -> Tensor:
        """Which pixels (..., y, x), bool, show the ADC's ceiling or a full well (within 3 read noises)."""
        spec = self.spec
        limit = spec.ceiling
        if spec.full_well is not None:
            well = spec.binning**2 * spec.full_well - 3 * spec.binning * spec.read_noise
            limit = min(limit, math.floor(well / spec.gain + spec.black))
        return counts >= limit

    def saturation(self, counts: Tensor) -> float:
        """Share (0 to 1) of the pixels in `counts` that are saturated."""
        return float(self.saturated(counts).cpu().double().mean())


def _counted(electrons: Tensor, generator: torch.Generator) -> Tensor:
    """Electrons drawn from Poisson's law; where there are so many that no digit of them is noise, they themselves.

    torch counts in 64 bits, and answers 0 where the mean is beyond them.
    """
    drawn = draws.poisson(electrons.clamp(max=_NOISELESS), generator)
    return torch.where(electrons > _NOISELESS, electrons, drawn)


def _region_shape(spec: CameraSpec, region: Region) -> tuple[int, int]:
    sizes = []
    for name, part, n in zip("yx", region, spec.binned_shape, strict=True):
        start, stop = (0 if part.start is None else part.start), (n if part.stop is None else part.stop)
        if part.step not in (None, 1) or not 0 <= start < stop <= n:
            raise SpecError(
                f"camera region along {name} is {start}:{stop}, expected a non-empty part of 0:{n}, step 1. "
                f"The sensor has {n} binned pixels there (binning {spec.binning})."
            )
        sizes.append(stop - start)
    return (sizes[0], sizes[1])


def _fixed_patterns(spec: CameraSpec, region: Region) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Relative response, extra dark signal (e-) and offset (e-) per binned pixel, float32; None if absent."""
    n, u = spec.binning, spec.uniformity
    rows, cols = (range(size)[part] for size, part in zip(spec.binned_shape, region, strict=True))

    def binned(plane: Tensor) -> Tensor:
        part = plane[rows.start * n : rows.stop * n, cols.start * n : cols.stop * n]
        return part.reshape(len(rows), n, len(cols), n).sum((1, 3))

    response = dark = offset = None
    if u.prnu > 0.0:
        pattern = _normal(spec.shape, 4 * u.seed)
        response = (1.0 + u.prnu * binned(pattern) / n**2).clamp(min=0.0)
    if u.fringes > 0.0:
        turns = [
            axis(size, spec.pitch) / period if period else torch.zeros(size, dtype=torch.float64)
            for size, period in zip(spec.shape, u.fringe_period, strict=True)
        ]
        wave = torch.cos(2 * math.pi * (turns[0][:, None] + turns[1][None, :])).float()
        modulated = 1.0 + u.fringes * binned(wave) / n**2
        response = modulated if response is None else response * modulated
    if u.hot_pixels > 0.0:
        source = torch.Generator().manual_seed(4 * u.seed + 1)
        hot = torch.rand(spec.shape, generator=source) < u.hot_pixels
        well = UNKNOWN_FULL_WELL if spec.full_well is None else spec.full_well
        dark = binned(hot * torch.rand(spec.shape, generator=source) * well)
    if u.dsnu > 0.0:
        offset = binned(u.dsnu * _normal(spec.shape, 4 * u.seed + 2))
    return response, dark, offset


@functools.lru_cache(maxsize=2)
def _normal(shape: tuple[int, int], seed: int) -> Tensor:
    """Normal numbers for every pixel of a sensor; the last two are kept, since cameras of one bench share them."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
