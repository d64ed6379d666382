"""How the frames that a bench predicts change with each of its numbers.

A frame is made in stages, each linear in what the one before hands over. With the reflectance `R` of a frame's levels,
turned with the mask, the pupil `P`, the input `u` with its chirp `C`, and the matrices of the two lenses `A` and `B`
along each axis,

    S = Ay (u C) Ax^T,    o = By (S R P) Bx^T,    counts = rows |o|^2 cols^T * photons ...

Each stage's own derivative is a central difference of the stage as the bench builds it, in double precision: so every
number of a bench, and every one that it will get, has a derivative without a line here. What is expensive is the light
of each frame through the lenses:

- lenses and geometry: one product for each number and frame;
- phases in the Fourier plane: Zernike polynomials of any lens are sums of a few products of a polynomial of y and one
  of x (`optics.wave.zernike_polynomials.zernike_products`), and the light is worked out for these;
- what is no simpler than a frame: the difference of two frames, `Model.about`.

The four Gauss nodes over an SLM pixel's area (see `optics.fourf.system`) are replaced by their best product of one
factor for each plane; that is good to some tenths of a per cent of a derivative.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from calibration.twin.light import Change, Light, Stages, aligned, centre_on, difference, mask_turn
from calibration.twin.model import Frames, Model, signal_scale
from calibration.twin.parameters import Parameter
from optics.bench.spec import BenchSpec
from optics.checks import present
from optics.devices import doubles
from optics.fourf.pupil import lens_centres, pupil
from optics.wave.zernike_polynomials import noll_to_nm, zernike_products


def linearise(
    model: Model, bench: BenchSpec, parameters: Sequence[Parameter], frames: Frames | None = None
) -> tuple[Frames, Tensor]:
    """Predicted frames and their derivatives.

    Args:
        model: predicts frames.
        bench: where.
        parameters: which numbers.
        frames: `model.predict(bench)`, if it is known.

    Returns:
        The frames, and (n, p, cy, cx) float32: derivative of the counts by each parameter's own variable.
    """
    at = model.predict(bench) if frames is None else frames
    out = torch.zeros(len(model.images), len(parameters), *model.recording.counts.shape[1:])
    kinds = {
        stage: [k for k, p in enumerate(parameters) if p.stage == stage] for stage in ("phase", "frames")
    }
    through = [k for k in range(len(parameters)) if parameters[k].stage in ("lens", "camera")]
    if kinds["frames"]:
        here = model.about(bench)
        for k in kinds["frames"]:
            beside, width = parameters[k].beside(bench)
            out[:, k] = ((model.about(beside) - here) / width).float()
    base = model.stages(bench)
    changes = {k: _change(model, bench, base, parameters[k], at).on(model.device) for k in through}
    rows, cols, weights = _phases(bench, base, [parameters[k] for k in kinds["phase"]])
    lines = [line.to(model.device, torch.float32) for line in (rows, cols)]
    masks = model.masks(bench, base.fourf.rows, base.fourf.cols)
    turn = mask_turn(base.fourf, model.device)
    light, where = Light(base, model.device), doubles(model.device)
    recorder = copy.deepcopy(base.recorder).to(where)
    gain = signal_scale(bench) * model.recording.exposure / bench.camera.exposure
    emitted = base.fourf.emitted(model.recording.probes.inputs.double())

    def counted(rise: Tensor) -> Tensor:
        return (model.part(recorder, recorder.photons(rise.to(where).double())) * gain).cpu()

    for i in range(len(model.images)):
        light.shine(emitted[i], turn(masks[i]))
        for k, change in changes.items():
            tangent = light.tangent(change, change.mask(masks[i]))
            if tangent is not None:
                out[i, k] = counted(light.rise(tangent)).float()
            if change.counts is not None:
                out[i, k] += change.counts[i]
        if kinds["phase"]:
            each = counted(light.phases(lines[0], lines[1]))
            out[i, kinds["phase"]] = torch.tensordot(weights, each, 1).float()
    return at, out


def _change(model: Model, bench: BenchSpec, base: Stages, p: Parameter, at: Frames) -> Change:
    """How the stages change with one parameter of lenses or camera, for each of its own variable's units."""
    high, low, width = p.around(bench)
    if p.stage == "camera":
        counts = [model.counts(b, base.recorder, at.intensity) for b in (high, low)]
        return Change(counts=((counts[0] - counts[1]) / width).float())
    # the Zernike phases are left out where they do not move, which saves most of the time
    up, down = (model.stages(b if p.moves else _without_phases(b)) for b in (high, low))
    counts = [model.counts(b, s.recorder, at.intensity) for b, s in ((high, up), (low, down))]
    ay, ax, by, bx, stop, chirp = (
        difference(aligned(up, name, base), aligned(down, name, base), width)
        for name in ("ay", "ax", "by", "bx", "pupil", "chirp")
    )
    if stop is not None and not p.moves:
        stop = stop * _lens_phases(base)
    turns = [mask_turn(s.fourf, model.device, base.fourf) for s in (up, down)]
    about = [(t.angle, centre_on(s.fourf, base.fourf)) for t, s in zip(turns, (up, down), strict=True)]
    moves = about[0] != about[1] and (turns[0].angle, turns[1].angle) != (0.0, 0.0)
    return Change(
        ay=ay,
        ax=ax,
        by=by,
        bx=bx,
        pupil=stop,
        chirp=chirp,
        counts=None if torch.equal(*counts) else ((counts[0] - counts[1]) / width).float(),
        turns=(turns[0], turns[1], width) if moves else None,
    )


def _lens_phases(base: Stages) -> Tensor:
    """The Zernike phases of the lenses, as a factor of the pupil (ny, nx) complex128."""
    bench = base.fourf.bench
    if not bench.lens1.zernike and not bench.lens2.zernike:
        return torch.ones((), dtype=torch.complex128)
    bare = pupil(_without_phases(bench).replace(stop=None), *_lit(base), base.fourf.offset)
    return pupil(bench.replace(stop=None), *_lit(base), base.fourf.offset) / bare


def _lit(base: Stages) -> tuple[Tensor, Tensor]:
    bench = base.fourf.bench
    y, x = (base.fourf.slm_axis(k) + bench.alignment.mask_shift[k] - bench.lens1.decentre[k] for k in (0, 1))
    return y, x


def _phases(bench: BenchSpec, base: Stages, parameters: Sequence[Parameter]) -> tuple[Tensor, Tensor, Tensor]:
    """Polynomials along the lit rows (A, ny) and columns (A, nx), and the weights (p, A (A + 1) / 2) of their products.

    Products go in the order of `Light.phases`; a polynomial of degree A - 1 needs no others.
    """
    shape = (len(base.ay), len(base.ax))
    pitch = bench.slm.pitch
    named = [p.name.rpartition(".") for p in parameters]
    order = max((noll_to_nm(int(index))[0] for *_, index in named), default=0)
    rows, cols, weights = torch.ones(1, shape[0]), torch.ones(1, shape[1]), []
    for part, _, index in named:
        if part == "slm.curvature":
            corner = (base.fourf.rows.start, base.fourf.cols.start)
            y, x = (
                (n // 2 - c - m // 2) * pitch for n, c, m in zip(bench.slm.shape, corner, shape, strict=True)
            )
            diameter: float | None = math.hypot(*bench.slm.shape) * pitch
        else:
            lit = _lit(base)
            middle = (float(lit[0][shape[0] // 2]), float(lit[1][shape[1] // 2]))
            which = 0 if part == "lens1.zernike" else 1
            y, x = lens_centres(bench, middle, base.fourf.offset)[which]
            diameter = (bench.lens1, bench.lens2)[which].diameter
        diameter = present(diameter, "the diameter of an aberration's disc")
        rows, cols, found = zernike_products(
            (int(index),), shape, pitch, diameter, centre=(y, x), degree=order
        )
        weights.append(torch.cat([found[0, a, : order + 1 - a] for a in range(order + 1)]))
    none = torch.zeros(0, (order + 1) * (order + 2) // 2, dtype=torch.float64)
    return rows, cols, torch.stack(weights) if weights else none


def _without_phases(bench: BenchSpec) -> BenchSpec:
    return bench.replace(**{"lens1.zernike": {}, "lens2.zernike": {}, "slm.curvature": {}})
