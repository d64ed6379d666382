"""A trained network on a bench: the same read-out and back end, its optical part made of `optics` modules.

The cascade is realised *collapsed*: one mask and one exposure per camera frame. A multi-channel image whose
channels add coherently is shown with its channels side by side on the display, and each mask brings them to
the same place; channels that add as intensities are shown one after another. Every mask is divided by its
largest modulus, because a modulator cannot amplify; the electronics multiplies the readings back by
`scales**2`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from networks.cascade.cascade import Cascade
from networks.onbench.masks import design_masks, fit_to_modulator, optimised_phases, order_phase
from networks.readouts.readouts import Homodyne, Intensity, Readout
from optics.bench.geometry import order_gain
from optics.bench.spec import BenchSpec
from optics.camera.camera import CameraSpec
from optics.checks import OpticsError, ShapeError, SpecError, check_shape
from optics.conventions import abs2
from optics.fourf.recorder import Recorder
from optics.fourf.system import FourF
from optics.slm.encoding import encode
from optics.slm.panel import SLM
from optics.slm.response import ResponseSpec
from optics.slm.ripple import Ripple, States

_CHUNK = 2**25  # field samples that are held at once when no gradient is needed


class OnBench(nn.Module):
    """A network's optics on `bench`, collapsed, by the PSF path; its electronics unchanged.

    Args:
        cascade: the optical part; None when the masks are given as levels (see `from_levels`).
        readout: intensity or homodyne.
        backend: features to logits.
        bench: what the bench is; ideal and realistic by the same code.
        image_shape: (H, W) of one channel of the images.
        compensate: pre-emphasise the masks by the inverse of the display pixel's transform, so that the field
            at the pixel centres is the digital convolution's.
        oversampling: see `optics.fourf.system.FourF`.
        believed_response: phase response that the SLM driver assumes (None: linear, `2 pi k / 2**bits`).
        believed_camera: camera that the electronics assumes, from a calibration (None: the bench's own).

    Attributes:
        gain: amplitude of the wanted order relative to the mask, by the data sheets (fill factor,
            reflectivity, lens transmission, pixel envelope); the electronics divides by its square.
        frame_count: camera frames per image.

    Raises:
        SpecError: the read-out or the cascade does not fit the bench.
    """

    def __init__(
        self,
        cascade: Cascade | None,
        readout: Readout,
        backend: nn.Module,
        bench: BenchSpec,
        *,
        image_shape: tuple[int, int],
        in_channels: int | None = None,
        compensate: bool = True,
        oversampling: int | None = None,
        believed_response: ResponseSpec | None = None,
        believed_camera: CameraSpec | None = None,
    ) -> None:
        super().__init__()
        self.cascade, self.readout, self.backend, self.bench = cascade, readout, backend, bench
        self.image_shape = image_shape
        self.in_channels = cascade.in_channels if cascade is not None else (in_channels or 1)
        self.compensate = compensate
        self._check()
        self.sequential = isinstance(readout, Intensity) and readout.channel_sum == "incoherent"
        shown = 1 if self.sequential else self.in_channels
        self.spacing = image_shape[1] + (cascade.kernel_size if cascade is not None else image_shape[1])
        canvas = (image_shape[0], image_shape[1] + (shown - 1) * self.spacing)
        self.shown = shown
        self.fourf = FourF(bench, canvas, window_shape=image_shape, oversampling=oversampling)
        region = (self.fourf.rows, self.fourf.cols)
        self.slm = SLM(bench.slm, region=region, believed=believed_response)
        self.recorder = Recorder(
            bench,
            image_shape,
            self.fourf.camera_axis(0),
            self.fourf.camera_axis(1),
            believed=believed_camera,
        )
        self.gain = order_gain(bench, bench.image_offset)
        self._cache: tuple[object, dict[Ripple, tuple[Tensor, Tensor]]] = (None, {})
        self._optimised: tuple[object, Tensor] | None = None
        self._fixed_levels: tuple[Tensor, Tensor] | None = None
        self._turns: list[complex] | None = None

    @classmethod
    def from_levels(
        cls,
        levels: Tensor,
        scales: Tensor,
        *,
        bench: BenchSpec,
        image_shape: tuple[int, int],
        readout: Readout,
        backend: nn.Module,
        believed_camera: CameraSpec | None = None,
    ) -> OnBench:
        """The same network from what is on the SLM alone.

        Args:
            levels: (F, NY, NX) integer levels of the whole panel, one image per frame.
            scales: (F,) each mask's largest modulus, as `targets` gave it.
            bench: see the class, as for all that follow.
            image_shape: see the class.
            readout: see the class.
            backend: see the class.
            believed_camera: see the class.
        """
        check_shape(
            levels,
            (None, *bench.slm.shape),
            name="levels",
            fix="Give the whole panel, one per frame: (F, NY, NX).",
        )
        check_shape(scales, (len(levels),), name="scales", fix="One number per frame.")
        made = cls(None, readout, backend, bench, image_shape=image_shape, believed_camera=believed_camera)
        lit = levels[:, made.fourf.rows, made.fourf.cols]
        made._fixed_levels = (lit, scales.to(torch.float32))
        return made.eval()

    def _check(self) -> None:
        if not isinstance(self.readout, Intensity | Homodyne):
            raise SpecError(
                f"bench {self.bench.name!r} has coherent light; the {self.readout.name!r} read-out needs "
                "light.coherence 'incoherent'. Choose intensity or homodyne, or change the light."
            )

    # ------------------------------------------------------------------ masks

    def targets(self) -> tuple[Tensor, Tensor]:
        """Complex masks on the lit SLM pixels (F, ny, nx), modulus at most 1, and scales (F,); differentiable."""
        kernels = self._kernels()
        positions = self._channel_offsets() if kernels.shape[1] > 1 else None
        masks = design_masks(self.fourf, kernels, positions=positions, compensate=self.compensate)
        return fit_to_modulator(masks, self.fourf.pupil.abs() > 0)

    def _kernels(self) -> Tensor:
        """Amplitude kernels of the masks, (M, channels shown at once, K, K)."""
        if self.cascade is None:
            raise OpticsError("this network was rebuilt from levels; it has no kernels.")
        kernels = self.cascade.kernels()
        return kernels.flatten(0, 1)[:, None] if self.sequential else kernels

    def _channel_offsets(self) -> Tensor:
        """Where the channels' origins stand on the display, relative to its origin; (in,) float64, input pixels."""
        width = self.image_shape[1]
        first = width // 2 - self.fourf.image_shape[1] // 2
        return first + self.spacing * torch.arange(self.in_channels, dtype=torch.float64)

    def driven(self, targets: Tensor, region: tuple[slice, slice]) -> Tensor:
        """What the SLM is asked for: the masks themselves, or what encodes them on a device that is not complex."""
        optimised = self.bench.slm.modulation != "complex" and self.bench.encoding.method == "direct"
        if not optimised or (torch.is_grad_enabled() and targets.requires_grad):
            return self._encoded(targets, region)
        key = self._mask_key()
        if self._optimised is None or self._optimised[0] != key:
            taps = self.cascade.kernel_size if self.cascade is not None else 0
            seen = (self.image_shape[0] + taps, self.image_shape[1] + taps)
            made = optimised_phases(targets, self.slm, self.bench, seen, origin=self._origin(region))
            self._optimised = (key, made)
        return self._optimised[1]

    def _encoded(self, targets: Tensor, region: tuple[slice, slice]) -> Tensor:
        if self.bench.slm.modulation == "complex":
            return targets
        return encode(targets, self.bench.encoding, origin=self._origin(region))

    def _origin(self, region: tuple[slice, slice]) -> tuple[int, int]:
        """Index of the panel's middle within a region."""
        ny, nx = self.bench.slm.shape
        return ny // 2 - region[0].start, nx // 2 - region[1].start

    def _mask_key(self) -> tuple[tuple[int, int], ...]:
        """Changes whenever the masks may have changed."""
        return tuple((p.data_ptr(), p._version) for p in self.parameters_of_optics())

    def levels(self) -> Tensor:
        """The grey levels of every frame, whole panel, (F, NY, NX) int32; unlit pixels show level 0.

        Raises:
            SpecError: the SLM is ideal and has no levels.
        """
        region = (self.fourf.rows, self.fourf.cols)
        with torch.no_grad():
            lit = self.slm.levels(self.driven(self.targets()[0], region))
        panel = torch.zeros(len(lit), *self.bench.slm.shape, dtype=torch.int32)
        panel[:, region[0], region[1]] = lit.to(torch.int32)
        return panel

    def parameters_of_optics(self) -> Iterator[nn.Parameter]:
        """What the masks depend on; nothing where they are given as levels."""
        return iter(()) if self.cascade is None else self.cascade.parameters()

    @property
    def states(self) -> States:
        """What the panels ripple through in an exposure: (one ripple per panel, weight) pairs."""
        return self.slm.states

    def psfs(
        self, *, generator: torch.Generator | None = None, ripple: Ripple = None
    ) -> tuple[Tensor, Tensor]:
        """Point-spread functions of every mask, (M, ly, lx) complex, and the scales (M,).

        generator draws a ripple, `ripple` is that of one of `states`; neither: of the mean field. Kept between calls
        while no gradient is needed, nothing is drawn and the cascade does not change.
        """
        needs_grad = torch.is_grad_enabled() and any(p.requires_grad for p in self.parameters_of_optics())
        if needs_grad or generator is not None:
            return self._make_psfs(generator, ripple)
        key = self._mask_key()
        if self._cache[0] != key:
            self._cache = (key, {})
        if ripple not in self._cache[1]:
            self._cache[1][ripple] = self._make_psfs(None, ripple)
        return self._cache[1][ripple]

    def _make_psfs(self, generator: torch.Generator | None, ripple: Ripple) -> tuple[Tensor, Tensor]:
        if self._fixed_levels is not None:
            levels, scales = self._fixed_levels
            return self.fourf.psf(self.slm.of_levels(levels, generator=generator, ripple=ripple)), scales
        targets, scales = self.targets()
        return self.fourf.psf(self.shown_by_slm(targets, generator=generator, ripple=ripple)), scales

    def shown_by_slm(
        self, targets: Tensor, *, generator: torch.Generator | None = None, ripple: Ripple = None
    ) -> Tensor:
        """Complex reflectance of the lit SLM pixels for masks of modulus at most 1, both (M, ny, nx)."""
        driven = self.driven(targets, (self.fourf.rows, self.fourf.cols))
        return self.slm(driven, generator=generator, ripple=ripple)

    # ------------------------------------------------------------------ light

    def _canvas(self, x: Tensor) -> Tensor:
        """Images (B, in, H, W) as the display shows them: (B, H, canvas) for one exposure."""
        if self.shown == 1:
            return x[:, 0]
        canvas = x.new_zeros(len(x), *self.fourf.image_shape)
        for i in range(self.shown):
            start = i * self.spacing
            canvas[:, :, start : start + self.image_shape[1]] = x[:, i]
        return canvas

    def tiles(self) -> list[tuple[FourF, Recorder]]:
        """What sees the masks: mask `m` is seen by `tiles()[m % len(tiles())]`."""
        return [(self.fourf, self.recorder)]

    def _per_tile(self, do: Callable[[FourF, Recorder, Tensor], Tensor], frames: Tensor) -> Tensor:
        """`do` of each tile's part of (B, F, ...), frames kept in order."""
        tiles = self.tiles()
        parts = [do(*tile, frames[:, k :: len(tiles)]) for k, tile in enumerate(tiles)]
        return parts[0] if len(parts) == 1 else torch.stack(parts, 2).flatten(1, 2)

    def _intensities(self, fourf: FourF, x: Tensor, psfs: Tensor, scales: Tensor) -> Tensor:
        """Intensities in one tile's camera plane, (B, F, oy, ox); if homodyne, of four reference phases."""
        if not isinstance(self.readout, Homodyne):
            return self._each_channel(fourf.intensity, x, psfs)
        fields = self._each_channel(fourf.convolve, x, psfs)
        turn = self.reference_turns()[[tile for tile, _ in self.tiles()].index(fourf)]
        beam = turn * (self.readout.reference * self.gain / scales)[:, None, None]
        return torch.cat([abs2(fields + beam * 1j**k) for k in range(4)], 1)

    def reference_turns(self) -> list[complex]:
        """Phase factor that the homodyne reference is set to, one per tile.

        That of a point of light in the middle of the display behind a clear mask, as an interferometer is set once it
        is aligned: a mask that stands aside turns the phase of an off-axis order by `2 pi carrier shift / pitch`.
        """
        if self._turns is None:
            with torch.no_grad():
                self._turns = self._find_turns()
        return self._turns

    def _find_turns(self) -> list[complex]:
        shown = self.slm(self._encoded(self._clear(), (self.fourf.rows, self.fourf.cols)))
        return [order_phase(tile, mask) for (tile, _), mask in zip(self.tiles(), shown, strict=True)]

    def _clear(self) -> Tensor:
        """Masks that send the whole display to each tile, (tiles, ny, nx), modulus 1."""
        return torch.ones_like(self.fourf.pupil)[None]

    def _each_channel(self, see: Callable[[Tensor, Tensor], Tensor], x: Tensor, psfs: Tensor) -> Tensor:
        """`see(images, psfs)` of what the display shows: one canvas, or one input channel after another."""
        if not self.sequential or self.in_channels == 1:
            return see(self._canvas(x), psfs)
        parts = [see(x[:, i], psfs[i :: self.in_channels]) for i in range(self.in_channels)]
        return torch.stack(parts, 2).flatten(1, 2)  # frames ordered (out, in)

    def expected(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Photons that every camera pixel expects, (B, F, cy, cx), from amplitudes (B, in, H, W) of 0 to 1.

        The generator draws what the SLM does by chance (flicker); without one, the intensities are their mean over it.
        """
        self._check_images(x)
        return self._expected(x, generator)[0]

    def _expected(self, x: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """`expected`, and the scales (M,)."""
        states: States = ((None, 1.0),) if generator is not None else self.states
        total, scales = x.new_zeros(()), x.new_ones(())
        for ripple, weight in states:
            psfs, scales = self.psfs(generator=generator, ripple=ripple)
            photons = self._photons(x, psfs, scales)
            total = photons if weight == 1.0 else total + weight * photons
        return total, scales

    def _photons(self, x: Tensor, psfs: Tensor, scales: Tensor) -> Tensor:
        if torch.is_grad_enabled() and (psfs.requires_grad or x.requires_grad):
            return self._photons_at_once(x, psfs, scales)
        step = max(1, _CHUNK // (2 * len(scales) * math.prod(self.fourf.window)))
        return torch.cat([self._photons_at_once(part, psfs, scales) for part in x.split(step)])

    def _photons_at_once(self, x: Tensor, psfs: Tensor, scales: Tensor) -> Tensor:
        tiles = self.tiles()
        n = len(tiles)
        parts = [
            recorder.photons(self._intensities(fourf, x, psfs[k::n], scales[k::n]))
            for k, (fourf, recorder) in enumerate(tiles)
        ]
        return parts[0] if n == 1 else torch.stack(parts, 2).flatten(1, 2)

    def _check_images(self, x: Tensor) -> None:
        check_shape(
            x,
            (None, self.in_channels, *self.image_shape),
            name="images",
            fix="Build the bench network with image_shape=(H, W) of these images.",
        )

    def frames(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Camera counts (B, F, cy, cx); without a generator nothing is drawn, the converter still rounds."""
        return self.record(self.expected(x, generator=generator), generator=generator)

    def record(self, photons: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Camera counts from `expected` photons: one exposure; draw many from the same photons for statistics."""
        through = self.training and torch.is_grad_enabled()

        def expose(_: FourF, recorder: Recorder, part: Tensor) -> Tensor:
            return recorder.camera.expose(part.clamp(min=0), generator=generator, differentiable=through)

        return self._per_tile(expose, photons)

    # ------------------------------------------------------------------ electronics

    @property
    def scales(self) -> Tensor:
        """Largest modulus of every mask, (F,)."""
        with torch.no_grad():
            return self._resting()[1]

    def _resting(self) -> tuple[Tensor, Tensor]:
        """`psfs` of one of the states, which are kept."""
        return self.psfs(ripple=self.states[0][0])

    def features_of(self, counts: Tensor) -> Tensor:
        """Features (B, maps, by, bx) in the units that the back end was trained with, from counts (B, F, cy, cx)."""
        return self._features(counts, self._resting()[1])

    def _features(self, counts: Tensor, scales: Tensor) -> Tensor:
        def read(_: FourF, recorder: Recorder, part: Tensor) -> Tensor:
            return recorder.bins(recorder.relative(part), self.readout.camera.bins)

        readings = self._per_tile(read, counts)
        factor = (scales / self.gain) ** 2
        repeats = readings.shape[1] // len(factor)
        if repeats * len(factor) != readings.shape[1]:
            raise ShapeError(f"got {readings.shape[1]} camera frames for {len(factor)} masks.")
        readings = readings * factor.repeat(repeats)[:, None, None].to(readings.dtype)
        if self.sequential and self.in_channels > 1:
            readings = readings.unflatten(1, (-1, self.in_channels)).sum(2)
        return self.readout.combine(readings)

    def features(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Features (B, maps, by, bx) from images (B, in, H, W)."""
        self._check_images(x)
        photons, scales = self._expected(x, generator)
        return self._features(self.record(photons, generator=generator), scales)

    def forward(self, x: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Images (B, in, H, W) to the back end's output; one noise draw with a generator, none without."""
        return self.backend(self.features(x, generator=generator))
