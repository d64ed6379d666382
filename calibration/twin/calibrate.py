"""From frames to a calibrated bench: search a start, fit the geometry, fit everything, read the noise, judge."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from calibration.rigs.recording import Recording, RigError
from calibration.twin.faults import Fault, left_over
from calibration.twin.fit import Fit, fit, residual
from calibration.twin.model import Model
from calibration.twin.noise import fit_noise, usable, variance
from calibration.twin.parameters import Parameter, Tolerances, as_fitted, bench_parameters
from calibration.twin.probes import expected_bench
from calibration.twin.result import TwinResult, combinations, estimates
from calibration.twin.start import coarse_start
from calibration.twin.suspects import another_bench
from optics.bench.spec import BenchSpec
from optics.devices import find

_FIRST = 5  # frames of the first fit
_STARTS, _TRIAL = 4, 4  # starts that are tried, and the steps of a trial
_GOOD = 0.1  # share of the predictions that is not trusted, below which a start leads somewhere
_HOPELESS = (
    0.25  # share of the predictions that is not trusted after the first fit, from which more steps are vain
)
_UNLIKE = 0.45  # correlation of the best start below which other benches are tried first
_LATE = ("slm.flicker", "slm.fill_factor")
_SCATTER = 0.2  # relative tolerance of gain and read noise: nothing is drawn towards it, it only says what was learnt
Report = Callable[[str], None]


def calibrate(
    recording: Recording,
    bench: BenchSpec,
    *,
    tolerances: Tolerances | None = None,
    zernikes: tuple[int, ...] = tuple(range(4, 16)),
    hold_back: Sequence[int] = (),
    device: str = "cpu",
    report: Report | None = None,
) -> TwinResult:
    """Fit a bench's description to what its camera saw.

    Args:
        recording: probes and frames.
        bench: as its data sheets describe it.
        tolerances: how far it may be wrong.
        zernikes: Noll indices that lenses and backplane may have.
        hold_back: frames that take no part in the fit and judge it.
        device: what carries the light of the frames, see `optics.devices.find`.
        report: told each step in a line.

    Raises:
        RigError: nothing remains to fit, the frames are blank or saturated, or the light is not simply coherent.
    """
    if not bench.light.simple:
        raise RigError(
            f"bench {bench.name!r}: the fit knows coherent light of one wavelength; calibrate with the laser "
            "alone, and set light.coherence and light.spectrum in the calibrated bench."
        )
    begun = time.perf_counter()
    tell: Report = (lambda line: None) if report is None else report
    t = Tolerances() if tolerances is None else tolerances
    where = find(device)
    bench = bench.replace(
        **{"camera.adc.gain": bench.camera.gain}
    )  # in words, where it followed from the full well
    bench = as_fitted(bench, t)
    held = sorted({k % len(recording) for k in hold_back})
    fitted = recording[[k for k in range(len(recording)) if k not in held]] if held else recording
    check_frames(fitted, bench)
    parameters = bench_parameters(bench, t, zernikes=zernikes)
    area = fitted.counts.sum((1, 2))
    few = Model(fitted[sorted(area.argsort(descending=True)[:_FIRST].tolist())], where)
    first = [p for p in parameters if p.stage != "phase" and p.name not in _LATE]
    starts = coarse_start(bench, fitted, t, keep=_STARTS, device=where)
    model = Model(fitted, where)
    if starts[0][1] < _UNLIKE and (other := another_bench(fitted, bench, t)):
        found = fit(model, expected_bench(starts[0][0], parameters), first, steps=1, report=tell)
        result = _result(found, recording, held, bench, time.perf_counter() - begun)
        return replace(result, faults=(other,))
    begin = _begin(few, starts, parameters, first, tell)
    if begin.share > _HOPELESS:
        tell(f"{begin.share:.0%} of the light is not explained by any such bench; the fit ends here")
        found = fit(model, begin.bench, first, steps=1, report=tell)
        result = _result(found, recording, held, bench, time.perf_counter() - begun)
        return _named(result, recording, t, tell, left_over(model, found, first))
    found = fit(model, begin.bench, parameters, steps=12, report=tell)
    faults = left_over(model, found, parameters)
    if not faults:  # else the scatter is not the camera's
        found = _with_noise(model, found, parameters, tell)
    result = _result(found, recording, held, bench, time.perf_counter() - begun)
    return _named(result, recording, t, tell, faults)


def _named(
    result: TwinResult, recording: Recording, tolerances: Tolerances, tell: Report, found: Sequence[Fault]
) -> TwinResult:
    """The result with the faults that its frames tell of: those found, or another bench than the one described."""
    faults = [fault.what for fault in found]
    if result.verdict == "failed" and not faults:
        tell("no such bench: other mountings and panels are tried")
        other = another_bench(recording, result.nominal, tolerances)
        faults += [other] if other else []
    return replace(result, faults=tuple(faults)) if faults else result


def _begin(
    model: Model,
    starts: Sequence[tuple[BenchSpec, float]],
    parameters: Sequence[Parameter],
    first: Sequence[Parameter],
    tell: Report,
) -> Fit:
    """The geometry's fit, from the first start that leads somewhere, or from the one that leads farthest."""
    found: list[Fit] = []
    for start, score in starts:
        tell(f"start: correlation {score:.3f}")
        tried = fit(
            model, expected_bench(start, parameters), first, steps=_TRIAL, fall=30.0, exact=False, report=tell
        )
        found.append(tried)
        if tried.share < _GOOD:
            break
    best = min(found, key=lambda f: f.share)
    if best.settled:
        return best
    return fit(model, best.bench, first, steps=6, fall=30.0, exact=False, report=tell)


def check_frames(recording: Recording, bench: BenchSpec) -> None:
    """Raise RigError where frames cannot come from a bench that works: too few, blank, or mostly saturated."""
    if len(recording) < 3:
        raise RigError(f"{len(recording)} frames remain to be fitted; give 3 or more, about 12.")
    counts = recording.counts
    spread = float((counts - counts.mean((1, 2), keepdim=True)).pow(2).mean())
    floor = float(variance(bench, torch.tensor(bench.camera.black, dtype=torch.float64)))
    if spread < 4 * floor:
        raise RigError(
            f"the frames are blank: they vary by {spread**0.5:.3g} counts, noise alone makes {floor**0.5:.3g}. Check "
            "the laser, the shutter, that the panel and the display show the probes, and the frames' corner."
        )
    lost = 1 - float(usable(bench, counts).double().mean())
    if lost > 0.2:
        raise RigError(
            f"{lost:.0%} of the pixels are saturated or clipped at zero; use less light or a shorter exposure."
        )


def _with_noise(model: Model, found: Fit, parameters: Sequence[Parameter], tell: Report) -> Fit:
    """Gain and read noise from the scatter; the light goes with the gain, which keeps the counts."""
    counts = model.recording.counts
    good = usable(found.bench, counts)
    noise = fit_noise(found.bench, counts[good], found.frames.counts[good])
    if noise is None or found.share > 0.02:
        return found
    gain, read, _ = noise
    tell(f"noise: gain {gain:.4g} e-/DN, read noise {read:.3g} e-")
    ratio = gain / found.bench.camera.gain
    changes: dict[str, float] = {"camera.adc.gain": gain, "camera.read_noise": read}
    if found.bench.light.photons is not None:
        changes["light.photons"] = found.bench.light.photons * ratio
    again = fit(
        model, found.bench.replace(**changes), parameters, steps=4, jacobian=found.jacobian, report=tell
    )
    return _joined(again, noise[2])


def _joined(found: Fit, noise: Tensor) -> Fit:
    """The fit with gain and read noise among its parameters; `noise` is the covariance (2, 2) of their logarithms.

    The light goes with the gain: what the frames know well is their ratio.
    """
    camera = found.bench.camera
    more = [
        Parameter(f"camera.{name}", "camera", math.log(value), _SCATTER, "log")
        for name, value in (("adc.gain", camera.gain), ("read_noise", camera.read_noise))
    ]
    n = len(found.parameters)
    covariance = torch.zeros(n + 2, n + 2, dtype=torch.float64)
    covariance[:n, :n] = found.covariance
    covariance[n:, n:] = noise
    names = [p.name for p in found.parameters]
    if "light.photons" in names:
        k = names.index("light.photons")
        covariance[k, k] += noise[0, 0]
        covariance[k, n:] = covariance[n:, k] = noise[0]
    information = torch.zeros(n + 2, n + 2, dtype=torch.float64)
    information[:n, :n] = found.information
    information[n:, n:] = torch.linalg.inv(noise) * _SCATTER**2
    return replace(
        found, parameters=(*found.parameters, *more), covariance=covariance, information=information
    )


def _result(
    found: Fit, recording: Recording, held: list[int], nominal: BenchSpec, seconds: float
) -> TwinResult:
    numbers = estimates(nominal, found.bench, found.parameters, found.covariance)
    fitted = [k for k in range(len(recording)) if k not in held]
    good = usable(nominal, recording.counts)  # a pile of saturated pixels shows in many frames, not in two
    judged = prediction_error(found.bench, recording[held], good[held]) if held else None
    error, noise = _errors(found.bench, recording[fitted].counts, found.frames.counts, good[fitted])
    sheet = held or fitted
    return TwinResult(
        bench=found.bench,
        nominal=nominal,
        parameters=found.parameters,
        covariance=found.covariance,
        estimates=numbers,
        combinations=combinations(found.parameters, found.information, numbers),
        residual=error,
        noise=noise,
        nominal_residual=prediction_error(nominal, recording[sheet], good[sheet])[0],
        held_back=judged,
        share=found.share,
        frames=len(fitted),
        seconds=seconds,
    )


def prediction_error(
    bench: BenchSpec, recording: Recording, good: Tensor | None = None
) -> tuple[float, float]:
    """Relative L2 error above black with which a bench predicts frames, mean over the frames; and what noise makes.

    good: (n, cy, cx) bool, which pixels count; None: those that are neither saturated nor clipped in these frames.
    """
    model = Model(recording)
    model.refine(bench)
    which = usable(bench, recording.counts) if good is None else good
    return _errors(bench, recording.counts, model.predict(bench).counts, which)


def _errors(bench: BenchSpec, counts: Tensor, predicted: Tensor, good: Tensor) -> tuple[float, float]:
    """Mean over the frames of the relative errors, and of what the noise makes of them."""
    errors = [residual(bench, c, p, g) for c, p, g in zip(counts, predicted, good, strict=True)]
    signal = ((counts - bench.camera.black) * good).flatten(1).norm(dim=1)
    noise = (variance(bench, predicted) * good).flatten(1).sum(1).sqrt() / signal
    return sum(errors) / len(errors), float(noise.mean())
