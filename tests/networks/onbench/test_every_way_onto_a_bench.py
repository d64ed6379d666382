"""Every way onto a bench by every property: one list of each, every pair asked. A new way is one line of `WAYS`.

The scene: a lopsided image, kernels off centre, a panel that ripples, a camera with shot and read noise; small, so that
every pair can be asked. Properties that leave a network as it is share one for each way, which each of them finds used
by the others. What a way refuses it must refuse in one line that says why; `REFUSED` lists these pairs.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest
import torch
from torch import nn

from networks import Student
from networks.onbench.network import OnBench
from optics.bench.spec import BenchSpec
from optics.checks import OpticsError
from optics.slm.response import ResponseSpec
from tests.networks.onbench.test_realisations import WIDE
from tests.scenes import WIDTH, error, generator, lopsided

SHAPE = (9, 8)
BENCH = WIDE.replace(
    **{"slm.flicker": 0.3, "slm.crosstalk": (0.2, 0.1), "slm.pitch": 12e-6, "slm.shape": (200, 260)}
)  # 139 SLM pixels in the stop
SEEN_APART = {"lens1.diameter": 12e-3, "lens1.zernike": {4: 0.4, 5: -0.3, 7: 0.5}}  # by channels side by side
LINES = {"light.spectrum": ((560e-9, 0.4),)}
PARTIAL = {"light.coherence": "partial", "light.source_width": 2e-3, "light.source_points": 2}
MIRRORS = {"slm.modulation": "dmd", "slm.bits": None, "encoding.method": "lee"}
MIRRORS |= {"slm.flicker": 0.0, "slm.crosstalk": (0.0, 0.0)}


def images(channels: int = 1) -> torch.Tensor:
    return lopsided(3, channels, *SHAPE)


@dataclass(frozen=True, eq=False)
class Way:
    """A way onto a bench: what the student is, what the bench is, and how the one gets onto the other."""

    student: dict[str, Any] = field(default_factory=dict)
    bench: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    rebuilt: bool = False  # from levels alone
    channels: tuple[int, ...] = (1, 2, 2)

    def model(self, seed: int = 0, channels: int | None = None) -> Student:
        sizes = self.channels if channels is None else (channels, *self.channels[1:])
        options = {"image_shape": SHAPE, "bins": (3, 2), "classes": 3, **self.student}
        return Student.build(sizes, generator=generator(seed), **options).eval()

    def images(self) -> torch.Tensor:
        return images(self.channels[0])

    def spec(self, **changes: Any) -> BenchSpec:
        return BENCH.replace(**(self.bench | changes))

    def on(self, model: Student | None = None, bench: BenchSpec | None = None, **options: Any) -> OnBench:
        model, bench = model or self.model(), bench or self.spec()
        made = model.on(bench, **(self.options | options)).eval()
        return levels_alone(made, model) if self.rebuilt else made

    @cached_property
    def shared(self) -> OnBench:
        """One network of this way, for properties that leave it as it is."""
        return self.on()


def levels_alone(made: OnBench, model: Student) -> OnBench:
    parts = {"bench": made.bench, "image_shape": SHAPE, "readout": model.readout, "backend": model.backend}
    parts |= {"arrangement": made.optics.arrangement, "dtype": made.optics.dtype}
    return OnBench.from_levels(*made.frames_sent(), **parts)


WAYS: dict[str, Way] = {
    "collapsed": Way(),
    "collapsed, fields": Way({"readout": "homodyne"}),
    "collapsed, channels one by one": Way({"channel_sum": "incoherent"}),
    "collapsed, channels apart on lens 1": Way(bench=SEEN_APART, channels=(2, 2)),
    "collapsed, designed by gradient": Way(bench={"encoding.method": "direct"}, channels=(1, 1)),
    "tiled, designed by gradient": Way(
        bench={"encoding.method": "direct"}, options={"realisation": "tiled", "tiles": 2}, channels=(2, 2)
    ),
    "collapsed, mirrors": Way(bench=MIRRORS),
    "levels alone": Way(rebuilt=True),
    "levels alone, incoherent": Way(
        {"readout": "incoherent"}, {"light.coherence": "incoherent"}, rebuilt=True
    ),
    "levels alone, channels one by one": Way({"channel_sum": "incoherent"}, channels=(2, 2), rebuilt=True),
    "levels alone, tiled": Way(options={"realisation": "tiled", "tiles": 2}, channels=(2, 2), rebuilt=True),
    "levels alone, channels apart on lens 1": Way(
        {"readout": "homodyne"}, SEEN_APART, channels=(2, 2), rebuilt=True
    ),
    "levels alone, staged": Way({"readout": "homodyne"}, options={"realisation": "staged"}, rebuilt=True),
    "tiled": Way(options={"realisation": "tiled", "tiles": 2}),
    "tiled, channels apart on lens 1": Way(
        bench=SEEN_APART, options={"realisation": "tiled", "tiles": 2}, channels=(2, 2)
    ),
    "tiled, fields": Way({"readout": "homodyne"}, options={"realisation": "tiled", "tiles": 2}),
    "staged": Way(options={"realisation": "staged"}),
    "staged, fields": Way({"readout": "homodyne"}, options={"realisation": "staged"}),
    "several lines": Way(bench=LINES),
    "partial": Way(bench=PARTIAL),
    "partial, several lines": Way(bench=PARTIAL | LINES, channels=(1, 2)),
    "several lines, channels apart on lens 1": Way(bench=SEEN_APART | LINES, channels=(2, 2)),
    "incoherent": Way({"readout": "incoherent"}, {"light.coherence": "incoherent"}),
    "incoherent, |h|^2": Way({"readout": "incoherent", "signed": False}, {"light.coherence": "incoherent"}),
}

PROPERTIES: dict[str, Callable[[Way], None]] = {}
REBUILT = tuple(name for name, way in WAYS.items() if way.rebuilt)
OF_LEVELS = {
    "gradients_reach_every_kernel": "no kernels",
    "a_kernel_changed_behind_its_back_is_seen": "no kernels",
    "assumed_response_acts": "levels are what they are",
}
REFUSED = {(prop, way): why for prop, why in OF_LEVELS.items() for way in REBUILT}
REFUSED["assumed_response_acts", "collapsed, mirrors"] = "mirrors have no response"


def of_every_way(check: Callable[[Way], None]) -> Callable[[Way], None]:
    PROPERTIES[check.__name__] = check
    return check


# ---------------------------------------------------------------------- what a draw leaves behind: nothing


@of_every_way
def a_noiseless_call_is_the_same_before_and_after_a_noisy_one(way):
    with torch.no_grad():
        made, x = way.shared, way.images()
        before, noisy = made.features(x), made.features(x, generator=generator(3))
        assert torch.equal(before, made.features(x))
        assert not torch.equal(before, noisy)
        assert torch.equal(noisy, made.features(x, generator=generator(3)))


@of_every_way
def a_light_holds_all_that_was_drawn(way):
    with torch.no_grad():
        made, x = way.shared, way.images()
        first, second = (made.light(generator=generator(seed)) for seed in (1, 2))
        photons = made.photons(x, first)
        other = made.photons(x, second)
        assert torch.equal(made.photons(x, first), photons)
        assert way.bench.get("slm.flicker") == 0.0 or not torch.equal(photons, other)


@of_every_way
def frames_are_recorded_from_what_is_expected(way):
    with torch.no_grad():
        made, x = way.shared, way.images()
        assert torch.equal(made.frames(x), made.record(made.expected(x)))
        assert torch.equal(made.features(x), made.features_of(made.frames(x)))
        assert torch.equal(made(x), made.backend(made.features(x)))


# ---------------------------------------------------------------------- copies and states


@of_every_way
def a_deep_copy_is_the_same_and_apart(way):
    with torch.no_grad():
        made, x = way.on(), way.images()
        before = made.features(x)
        copied = copy.deepcopy(made)
        assert torch.equal(copied.features(x), before)
        for value in [*copied.parameters(), *copied.optics.state_dict().values()]:
            value.mul_(2) if value.is_floating_point() else value.zero_()
        assert torch.equal(made.features(x), before)
        assert not torch.equal(copied.features(x), before)


@of_every_way
def a_state_comes_back(way):
    with torch.no_grad():
        one, other, x = way.on(), way.on(way.model(seed=5)), way.images()
        assert not torch.equal(one(x), other(x))  # and fills the cache
        other.load_state_dict(one.state_dict())
        assert torch.equal(one(x), other(x))


@of_every_way
def a_kernel_changed_behind_its_back_is_seen(way):
    """By `.data`, which no version counter knows; by a swapped parameter."""
    model = way.model()
    with torch.no_grad():
        made, x = way.on(model), way.images()
        before = made.features(x)
        layer = model.cascade.layers[0]
        layer.weight.data[:1] += 0.3
        moved = made.features(x)
        layer.weight = nn.Parameter(layer.weight.flip(-2))
        assert error(moved, before) > 1e-3
        assert error(made.features(x), moved) > 1e-3
        assert torch.equal(made.features(x), way.on(model).features(x))


@of_every_way
def another_back_end_shares_all_but_itself(way):
    with torch.no_grad():
        made, x = way.shared, way.images()
        other = made.with_backend(nn.Flatten())
        assert other.optics is made.optics and other.recorders is made.recorders
        assert torch.equal(other(x), made.features(x).flatten(1))
        assert not isinstance(made.backend, nn.Flatten)


# ---------------------------------------------------------------------- gradients


@of_every_way
def gradients_reach_every_kernel(way):
    model = way.model()
    way.on(model).train()(way.images(), generator=generator(2)).square().sum().backward()
    assert all(float(p.grad.abs().max()) > 0 for p in model.cascade.parameters())


@of_every_way
def gradients_work_after_inference_mode(way):
    model = way.model()
    made, x = way.on(model), way.images()
    with torch.inference_mode():
        want = made.features(x).clone()
        made.features(x, generator=generator(1))
    assert torch.equal(made.features(x).detach(), want) or way.bench.get("encoding.method") == "direct"
    made.training = True  # the camera's rounding passes gradients
    model.cascade.requires_grad_(False)
    made.features(x.requires_grad_()).square().sum().backward()  # through light that was kept
    assert float(x.grad.abs().max()) > 0
    model.cascade.requires_grad_(True)
    made.features(way.images().requires_grad_()).square().sum().backward()  # through light that is made anew
    assert way.rebuilt or all(float(p.grad.abs().max()) > 0 for p in model.cascade.parameters())


# ---------------------------------------------------------------------- sizes


@of_every_way
def a_stop_that_is_not_square(way):
    with torch.no_grad():
        x, square = way.images(), way.shared.features(way.images())
        got = way.on(bench=way.spec(**{"stop.width": (WIDTH, WIDTH / 2)})).features(x)
        turned = way.on(bench=way.spec(**{"stop.width": (WIDTH / 2, WIDTH)})).features(x)
    assert got.shape == square.shape and bool(torch.isfinite(got).all())
    assert error(got, square) > 0.01
    assert error(got, turned) > 0.01


@of_every_way
def three_channels(way):
    model = way.model(channels=3)
    with torch.no_grad():
        made, x = way.on(model), images(3)
        got = made.features(x)
        assert got.shape == model.features(x).shape
        assert error(made.features(x.flip(1)), got) > 0.01
        if way.rebuilt:
            return  # an ideal panel has no levels
        ideal = way.spec().ideal()
        if ideal.light.coherence == "partial":  # wide, it does not let channels that stand apart interfere
            ideal = ideal.replace(**{"light.source_width": 1e-5})
        assert error(way.on(model, ideal).features(x), model.features(x)) < 0.15


@of_every_way
def one_camera_sample_a_pixel_is_near_what_the_intensity_needs(way):
    if way.rebuilt:
        return  # levels hold for any sampling
    with torch.no_grad():
        assert error(way.on(oversampling=1).features(way.images()), way.shared.features(way.images())) < 0.15


@of_every_way
def a_batch_of_one_is_its_row(way):
    with torch.no_grad():
        made, x = way.shared, way.images()
        torch.testing.assert_close(made.expected(x[1:2]), made.expected(x)[1:2], rtol=1e-4, atol=1e-2)


@of_every_way
def no_image_and_images_of_another_kind_are_refused(way):
    made, x = way.shared, way.images()
    with pytest.raises(OpticsError, match="no image; give at least one"):
        made(x[:0])
    with pytest.raises(OpticsError, match=r"images are torch\.float64"):
        made(x.double())
    with pytest.raises(OpticsError, match="images has shape"):
        made(x[:, :, 1:])


# ---------------------------------------------------------------------- precision and belief


@of_every_way
def double_precision_the_whole_way(way):
    """Built in double, made double, and back: the same to rounding; single differs by single's rounding."""
    smooth = way.spec(**{} if way.rebuilt else {"slm.bits": None})
    with torch.no_grad():
        x, model = way.images(), way.model()
        single = way.on(model, smooth).expected(x)
        double_model = copy.deepcopy(model).double()
        want = way.on(double_model, smooth).expected(x.double())
        made = way.on(copy.deepcopy(model), smooth)
        made(x)
        got = made.double().expected(x.double())
        assert got.dtype == want.dtype == torch.float64
        assert made(x.double()).dtype == torch.float64
        if (
            not way.rebuilt and way.bench.get("slm.modulation") != "dmd"
        ):  # their decisions may differ by rounding
            assert error(got, want) < 1e-12
            assert 0 < error(single.double(), want) < 1e-3
        assert made.float().expected(x).dtype == torch.float32


@of_every_way
def assumed_response_acts(way):
    assumed = ResponseSpec(gamma=1.4)
    with torch.no_grad():
        x = way.images()
        assert error(way.on(assumed_response=assumed).features(x), way.shared.features(x)) > 1e-3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("prop", PROPERTIES)
def test_every_pair(prop, way):
    if (prop, way) in REFUSED:
        pytest.skip(REFUSED[prop, way])
    PROPERTIES[prop](WAYS[way])


def test_the_exceptions_name_pairs_that_exist():
    assert {(p, w) for p in PROPERTIES for w in WAYS} >= set(REFUSED)


@of_every_way
def levels_alone_give_the_frames_of_the_network_that_made_them(way):
    model = way.model()
    made = way.on(model)
    with torch.no_grad():
        x = way.images()
        again = levels_alone(made, model)
        assert torch.equal(again.frames(x), made.frames(x))
        assert again.optics.arrangement == made.optics.arrangement
        assert torch.equal(again.frames_sent()[0], made.frames_sent()[0])
        with pytest.raises(OpticsError, match="rebuilt from levels"):
            _ = again.drives()[0].masks


def test_a_half_converted_network_says_so():
    model = WAYS["collapsed"].model()
    made = WAYS["collapsed"].on(model)
    model.double()
    with pytest.raises(OpticsError, match=r"convert the network on the bench as a whole"):
        made(images())
    with pytest.raises(OpticsError, match=r"expected torch.float32 or torch.float64"):
        made.half()


def test_one_ripple_of_the_panel_is_drawn_for_all_wavelengths():
    """The second line at the main wavelength: the light of one line, draw by draw."""
    way = WAYS["collapsed"]
    twice = way.spec(**{"light.spectrum": ((BENCH.light.wavelength * (1 + 1e-9), 0.5),)})
    model, x = way.model(), images()
    with torch.no_grad():
        one = way.on(model).expected(x, generator=generator(4))
        two = way.on(model, twice).expected(x, generator=generator(4))
    assert error(two, one) < 1e-4
    assert math.isclose(float(two.sum()), float(one.sum()), rel_tol=1e-4)
