"""Strategies of `hypothesis` for tests of your own code: benches that can be built, images, complex masks.

    from hypothesis import given
    from optics import testing

    @given(bench=testing.benches(image_shape=(8, 10)), image=testing.images((8, 10)))
    def test_my_read_out(bench, image): ...

Every drawn bench is one on which a kernel of the given taps on images of the given size fits, as `optics.plan` judges;
shrinking leads to the ideal bench and to dark images. `hypothesis` is imported when a strategy is asked for
(`pip install hypothesis`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from optics.bench.files import bench_from_dict
from optics.errors import OpticsError, SpecError

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy
    from torch import Tensor

    from optics.bench.spec import BenchSpec

_LARGEST = 12  # image pixels a side, and taps, for which a field of `_FIELD` input pixels is wide enough
_FIELD = (80, 140)  # input pixels
_CARRIER = 0.25  # cycles per SLM pixel: the middle between the zero order and the edge of the field


def images(shape: tuple[int, int], *, batch: int = 1, channels: int = 1) -> SearchStrategy[Tensor]:
    """Batches of amplitudes on the display, (batch, channels, y, x) float32 in [0, 1]; dark ones are the simplest."""
    st, numpy = _hypothesis()
    whole = (batch, channels, *shape)
    arrays = numpy.arrays("float32", whole, elements=st.floats(0.0, 1.0, width=32))
    found: SearchStrategy[Tensor] = arrays.map(_tensor)
    return found


def masks(shape: tuple[int, int], *, count: int = 1, phase_only: bool = False) -> SearchStrategy[Tensor]:
    """Complex masks (count, y, x) complex64 of modulus at most 1, or exactly 1; the clear mask is the simplest."""
    st, numpy = _hypothesis()
    whole = (count, *shape)
    phases = numpy.arrays("float32", whole, elements=st.floats(0.0, 6.25, width=32))
    dimming = numpy.arrays("float32", whole, elements=st.floats(0.0, 1.0, width=32))
    if phase_only:
        found: SearchStrategy[Tensor] = phases.map(lambda p: _polar(0.0 * p, p))
        return found
    found = st.builds(_polar, dimming, phases)
    return found


def benches(
    *, image_shape: tuple[int, int] = (8, 10), taps: int = 5, flaws: bool = True
) -> SearchStrategy[BenchSpec]:
    """Benches of about a hundred SLM pixels a side on which a kernel fits; with `flaws`, each may be real or ideal.

    Args:
        image_shape: (H, W) input pixels, at most 12 a side.
        taps: of a kernel, per side, at most 12.
        flaws: False draws geometries alone.

    Raises:
        OpticsError: images or kernels too large, or no `hypothesis`.
    """
    st, _ = _hypothesis()
    if not 1 <= min(*image_shape, taps) <= max(*image_shape, taps) <= _LARGEST:
        raise OpticsError(
            f"image_shape is {image_shape} and taps {taps}; these benches are small: 1 to {_LARGEST} each."
        )

    @st.composite
    def drawn(draw: DrawFn) -> BenchSpec:
        from hypothesis import assume

        from optics.plan.feasibility import problems

        tables = _geometry(draw)
        if flaws:
            _add_flaws(draw, tables)
        try:
            bench = bench_from_dict(tables, source="a drawn bench")
        except SpecError:
            assume(False)
            raise
        assume(not problems(bench, image_shape, taps))
        return bench

    found: SearchStrategy[BenchSpec] = drawn()
    return found


# ---------------------------------------------------------------------- how they are drawn


def _geometry(draw: DrawFn) -> dict[str, Any]:
    """An ideal bench whose lengths fit each other: the field on the camera is `_FIELD` input pixels wide."""
    from hypothesis import strategies as st

    wavelength = draw(st.sampled_from((532e-9, 405e-9, 633e-9, 780e-9)))
    pitch, slm_pitch = (
        draw(st.sampled_from((32e-6, 16e-6, 40e-6))),
        draw(st.sampled_from((8e-6, 4e-6, 12.5e-6))),
    )
    field = draw(st.integers(*_FIELD))
    f1 = field * slm_pitch * pitch / wavelength
    f2 = f1 * draw(st.sampled_from((1.0, 0.75, 1.5)))
    side = field + 8 + draw(st.integers(0, 20))
    return {
        "name": "drawn",
        "light": {"wavelength": wavelength, "photons": draw(st.sampled_from((1e4, 1e3, 1e6)))},
        "input": {"pitch": pitch},
        "lens1": {"focal_length": f1},
        "stop": {"width": [field * slm_pitch, field * slm_pitch]},
        "slm": {"shape": [side, side + draw(st.integers(0, 9))], "pitch": slm_pitch, "modulation": "complex"},
        "encoding": {"carrier": draw(st.sampled_from(([_CARRIER, 0.0], [0.0, -_CARRIER])))},
        "lens2": {"focal_length": f2},
        "camera": {"shape": [2 * field, 2 * field + 11], "pitch": pitch * f2 / f1},
    }


def _add_flaws(draw: DrawFn, tables: dict[str, Any]) -> None:
    """Flaws of a usual size, each absent in some benches."""
    from hypothesis import strategies as st

    def some(*values: Any) -> Any:
        return draw(st.sampled_from(values))

    slm_pitch = tables["slm"]["pitch"]
    if some(False, True):
        tables["slm"] |= {"modulation": "phase", "bits": some(8, 4, 10)}
    tables["slm"] |= {"fill_factor": some(1.0, 0.93, 0.8), "reflectivity": some(1.0, 0.7)}
    if tables["slm"]["modulation"] == "phase":
        tables["slm"] |= {"flicker": some(0.0, 0.05), "crosstalk": some(0.0, 0.3)}
    tables["alignment"] = {
        "mask_shift": [some(0.0, 2.0, -1.5) * slm_pitch, some(0.0, -2.0, 1.0) * slm_pitch],
        "mask_rotation": some(0.0, 2e-3, -5e-3),
        "camera_shift": [some(0.0, 0.3, -0.2) * tables["camera"]["pitch"], 0.0],
    }
    tables["camera"] |= {
        "shot_noise": some(False, True),
        "read_noise": some(0.0, 2.3),
        "quantum_efficiency": some(1.0, 0.6),
        "full_well": some(None, 2e5),
    }
    tables["camera"] = {key: value for key, value in tables["camera"].items() if value is not None}


def _tensor(array: Any) -> Tensor:
    import torch

    return torch.from_numpy(array)


def _polar(dimming: Any, phase: Any) -> Tensor:
    import torch

    return torch.polar(1.0 - _tensor(dimming), _tensor(phase) % math.tau)


def _hypothesis() -> tuple[Any, Any]:
    try:
        from hypothesis import strategies
        from hypothesis.extra import numpy
    except ImportError:
        raise OpticsError("optics.testing needs hypothesis: pip install hypothesis.") from None
    return strategies, numpy
