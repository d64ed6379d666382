"""Pictures: colours, axes, legends and errors; drawn without pyplot."""

from __future__ import annotations

import io
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from optics.bench.spec import BenchSpec
from optics.checks import OpticsError, ShapeError
from optics.plots import plots as plot


def rendered(figure):
    figure.savefig(stream := io.BytesIO(), format="png", dpi=50)
    assert stream.getvalue().startswith(b"\x89PNG")
    return figure


def test_field_keeps_rows_at_the_top_and_marks_the_origin():
    plane = torch.zeros(4, 7, dtype=torch.complex64)
    plane[0, 6] = 2j
    plane[3, 0] = 1.0
    figure = rendered(plot.field(plane, pitch=(100e-6, 300e-6), offset=(1e-3, 0.0), title="here"))
    axes = figure.axes[0]
    image = axes.images[0]
    # x: origin at column 3, 7 * 0.3 mm wide; y: origin at row 2, 4 * 0.1 mm high, displaced by 1 mm
    assert image.get_extent() == pytest.approx([-1.05, 1.05, 1.15, 0.75])
    assert image.origin == "upper"
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("x (mm)", "y (mm)", "here")
    colours = image.get_array()
    assert colours[0, 6].max() > colours[3, 0].max() > 0
    np.testing.assert_allclose(
        colours[0, 6], plot.phase_colours(np.ones((1, 1)), np.full((1, 1), math.pi / 2))[0, 0]
    )
    assert "phase" in figure.axes[1].get_title()


def test_mask_has_full_brightness_at_one_and_small_planes_are_in_micrometres():
    figure = rendered(plot.mask(torch.full((5, 5), 0.5, dtype=torch.complex64), pitch=8e-6))
    expected = plot.phase_colours(np.full((1, 1), 0.5), np.zeros((1, 1)))[0, 0]
    np.testing.assert_allclose(figure.axes[0].images[0].get_array()[2, 2], expected, atol=1e-7)
    assert figure.axes[0].get_xlabel() == "x (µm)"
    assert figure.axes[0].images[0].get_extent() == pytest.approx([-20, 20, 20, -20])


def boxes(figure):
    """All axes with the box of all that they draw, and the figure's own, pixels."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(60)
    canvas.draw()
    return [(axes, axes.get_tightbbox(canvas.get_renderer())) for axes in figure.axes]


SHAPES = [(40, 40), (40, 200), (200, 30), (2, 3), (1080, 1920)]
LONG = "the first of many masks, the field of a point, as it is predicted on the bench with every flaw"
DRAWN = {
    "field": lambda x: plot.field(torch.polar(x + 1, 3 * x), pitch=8e-6, title=LONG),
    "mask": lambda x: plot.mask(torch.polar(x, 3 * x), pitch=(8e-6, 4e-6), title=LONG),
    "levels": lambda x: plot.levels((x * 255).int(), pitch=8e-6, title=LONG),
    "psf": lambda x: plot.psf(x + 1e-5, pitch=3.45e-7, title=LONG),
    "frame": lambda x: plot.frame(5e4 * x, pitch=3.45e-6, full_scale=1e3, title=LONG),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_cut_and_no_legend_is_higher_than_its_picture(name, shape):
    figure = DRAWN[name](torch.linspace(0, 1, shape[0] * shape[1]).reshape(shape))
    for _, box in boxes(figure):
        assert min(box.x0, box.y0) >= -1
        assert box.x1 <= figure.bbox.x1 + 1
        assert box.y1 <= figure.bbox.y1 + 1
    picture, *legends = figure.axes
    used = picture.get_position()
    if name not in ("field", "mask"):  # the wheel of a thin picture has its own height
        assert all(legend.get_position().height <= used.height + 1e-6 for legend in legends)
    wide, _ = figure.get_size_inches()
    assert (legends[0].get_position().x0 - used.x1) * wide < 0.3  # inches: it stands beside the picture
    assert (1 - max(legend.get_position().x1 for legend in legends)) * wide < 1.0


@pytest.mark.parametrize("unit", ["counts", "electrons", "photons"])
def test_a_frame_is_in_the_unit_that_it_is_in(unit):
    figure = plot.frame(torch.ones(4, 4), pitch=1e-6, unit=unit)
    assert figure.axes[1].get_ylabel() == unit


def test_the_lit_part_of_a_panel_is_drawn_large_at_its_place():
    panel = torch.full((108, 192), 7, dtype=torch.int32)
    panel[20:30, 100:120] = torch.arange(20, dtype=torch.int32)
    rows, columns = plot.lit_part(panel)
    assert (rows, columns) == (slice(19, 31), slice(99, 121))
    figure = rendered(plot.levels(panel, pitch=8e-6))
    image = figure.axes[0].images[0]
    np.testing.assert_array_equal(image.get_array(), panel[rows, columns])
    # row 19 begins 19 - 54 pixels and a half from the middle, column 99 at 99 - 96 and a half
    left, right, bottom, top = image.get_extent()
    assert (left, right) == pytest.approx((8 * 2.5, 8 * 24.5))
    assert (top, bottom) == pytest.approx((-8 * 35.5, -8 * 23.5))
    panel[0, 50] = 3
    assert plot.lit_part(panel) == (slice(0, 108), slice(0, 192))


def test_levels_are_drawn_as_they_are_and_checked():
    plane = torch.arange(6, dtype=torch.int32).reshape(2, 3) * 50
    figure = rendered(plot.levels(plane, pitch=8e-6))
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), plane.numpy())
    assert figure.axes[0].images[0].get_clim() == (0, 255)
    with pytest.raises(OpticsError, match=r"levels span 0 to 250, expected 0 to 15 \(4 bit\)"):
        plot.levels(plane, pitch=8e-6, bits=4)


def test_psf_is_squared_when_complex_and_relative_to_its_peak():
    plane = torch.tensor([[1j, 10.0], [0.0, -1.0]], dtype=torch.complex64)
    shown = rendered(plot.psf(plane, pitch=8e-6)).axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, [[1e-2, 1], [1e-4, 1e-2]])
    again = plot.psf(plane.abs() ** 2, pitch=8e-6).axes[0].images[0].get_array()
    np.testing.assert_allclose(again, shown)
    with pytest.raises(OpticsError, match="zero everywhere"):
        plot.psf(0 * plane, pitch=8e-6)


@pytest.mark.parametrize(("full_scale", "over"), [(None, 0), (4095.0, 2), (5000.0, 0)])
def test_frame_marks_saturated_pixels(full_scale, over):
    counts = torch.tensor([[0.0, 4095.0, 4095.0], [17.0, 100.0, 4094.0]])
    image = rendered(plot.frame(counts, pitch=3.45e-6, full_scale=full_scale)).axes[0].images[0]
    red = (image.to_rgba(image.get_array()) == [1, 0, 0, 1]).all(-1)
    assert int(red.sum()) == over


def bench():
    return BenchSpec.model_validate(
        {
            "name": "test bench",
            "light": {"wavelength": 532e-9},
            "input": {"pitch": 32e-6},
            "lens1": {"focal_length": 0.2, "diameter": 25.4e-3},
            "stop": {"width": [3e-3, 3e-3]},
            "slm": {"shape": [1080, 1920], "pitch": 8e-6, "modulation": "phase"},
            "lens2": {"focal_length": 0.1, "diameter": 25.4e-3},
            "camera": {"shape": [2048, 2448], "pitch": 3.45e-6},
        }
    )


def test_bench_is_to_scale_along_the_axis():
    axes = rendered(plot.bench(bench(), (28, 28))).axes[0]
    names = {text.get_text(): text.xy[0] for text in axes.texts if hasattr(text, "xy")}
    assert {n: names[n] for n in ("display", "lens 1", "SLM", "lens 2", "camera")} == pytest.approx(
        {"display": 0, "lens 1": 200, "SLM": 400, "lens 2": 500, "camera": 600}
    )
    assert "test bench: 532 nm" in axes.get_title()
    assert axes.get_ylabel() == "y (mm)"


def test_a_sketch_names_every_plane_with_its_numbers():
    figure = rendered(plot.sketch(bench(), (28, 30)))
    words = "\n".join(text.get_text() for text in figure.axes[0].texts)
    for told in (
        "display\n28 × 30\n32 µm pixels",
        "lens 1\n⌀ 25.4 mm",
        "SLM\n1080 × 1920\n8 µm pixels\nphase, continuous\nstop 3 mm",
        "camera\n2048 × 2448\n3.45 µm pixels\nno converter",
        "532 nm, coherent",
    ):
        assert told in words
    assert words.count("f₁ = 200 mm") == words.count("f₂ = 100 mm") == 2


def test_bad_planes_are_refused():
    with pytest.raises(ShapeError, match=r"shape \(2, 3, 3\), expected \(y, x\)"):
        plot.frame(torch.zeros(2, 3, 3), pitch=1e-6)
    with pytest.raises(OpticsError, match=r"nan.* at index \(0, 1\)"):
        plot.field(torch.tensor([[0.0, math.nan]]), pitch=1e-6)


def test_nothing_is_imported_at_load_and_pyplot_never():
    code = (
        "import sys, torch; from optics.plots import plots as plot; early = 'matplotlib' in sys.modules;"
        "plot.field(torch.ones(2, 2), pitch=1e-6); print(early, 'matplotlib.pyplot' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]
