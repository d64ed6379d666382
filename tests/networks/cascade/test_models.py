"""Every linear model behind one interface: each of the cascades below has each of the properties below."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable

import pytest
import torch

from networks.cascade.cascade import Cascade
from networks.cascade.convolution import Every
from networks.cascade.model import LinearModel
from networks.cascade.pooled import PeriodicPools, SameSizePools
from networks.cascade.separable import bin_area
from networks.cascade.unpooled import ComposedKernels, ComposedMasks
from optics.checks import OpticsError, ShapeError
from tests.scenes import generator, on_pixels

SHAPE = (12, 10)
CASCADES = {
    "zero-padded": {},
    "zero-padded, masks": {"parameterisation": ["complex", "mask"], "image_shape": SHAPE},
    "periodic": {"boundary": "circular", "parameterisation": "real"},
    "periodic, masks": {"boundary": "circular", "parameterisation": "phase", "image_shape": SHAPE},
    "periodic, pools": {"boundary": "circular", "image_shape": SHAPE, "pool": (7, None)},
    "periodic, pools, masks": {
        "boundary": "circular",
        "parameterisation": ["mask", "real"],
        "image_shape": SHAPE,
        "pool": (7, 5),
    },
    "same-size": {"image_shape": SHAPE, "pool": (7, 5)},
}
FINALS = {ComposedKernels, ComposedMasks, PeriodicPools, SameSizePools}


def close(a: torch.Tensor, b: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert float(((a - b).abs().max() / b.abs().max()).detach()) < tolerance


def fast_is_slow(cascade: Cascade, x: torch.Tensor) -> None:
    close(cascade(x), cascade.layer_by_layer(x))
    close(cascade.separate(x).sum(2), cascade.layer_by_layer(x))
    close(cascade.binned(x, (3, 2)), bin_area(on_pixels(cascade, cascade.layer_by_layer(x)), (3, 2)))
    assert cascade(x).shape[-2:] == cascade.output_shape(SHAPE)


def some_samples_are_those_of_all(cascade: Cascade, x: torch.Tensor) -> None:
    real, imag = cascade.parts(x)
    for step, first in ((2, (0, 1)), (3, (2, 0)), (5, (4, 3))):
        every = Every(step, first)
        for some, all_of_them in zip(cascade.parts(x, every), (real, imag), strict=True):
            assert (some is None) == (all_of_them is None)
            if some is not None:
                close(some, all_of_them[..., first[0] :: step, first[1] :: step])
    alone = cascade.alone(x, 1, Every(2, (1, 0)))[0]
    close(alone, cascade.alone(x, 1)[0][..., 1::2, ::2])


def one_mask_or_a_refusal(cascade: Cascade, x: torch.Tensor) -> None:
    if cascade.model == "same-size":
        for ask in (cascade.kernels, lambda: cascade.collapse(SHAPE)):
            with pytest.raises(OpticsError, match="not one mask"):
                ask()
        return
    kernels, grid = cascade.kernels(), cascade.grid or SHAPE
    assert kernels.is_complex() and max(kernels.shape[-2:]) == cascade.kernel_size
    close(cascade.collapse(grid)[..., grid[0] // 2, grid[1] // 2], kernels.sum((-2, -1)))


def double_is_more_exact(cascade: Cascade, x: torch.Tensor) -> None:
    twice = copy.deepcopy(cascade).double()
    assert twice(x.double()).dtype == torch.complex128
    close(twice(x.double()), twice.layer_by_layer(x.double()), 1e-10)


def copies_and_states_agree(cascade: Cascade, x: torch.Tensor) -> None:
    with torch.no_grad():
        before = cascade(x)
    again = Cascade.from_config(json.loads(json.dumps(cascade.config())), generator=generator(7))
    assert list(cascade.state_dict()) == ["layers.0.weight", "layers.1.weight"]
    again.load_state_dict(cascade.state_dict())
    other = copy.deepcopy(cascade)
    with torch.no_grad():
        cascade.layers[0].weight.mul_(2)
        assert torch.equal(again(x), before) and torch.equal(other(x), before)
        assert not torch.equal(cascade(x), before)
    assert again.config() == cascade.config()


def every_change_of_a_parameter_shows(cascade: Cascade, x: torch.Tensor) -> None:
    layer = cascade.layers[0]
    with torch.no_grad():
        for change in (
            lambda: layer.weight.data.mul_(2),
            lambda: setattr(layer, "weight", torch.nn.Parameter(layer.weight.flip(0))),
            lambda: cascade.load_state_dict({k: v + 0.1 for k, v in cascade.state_dict().items()}),
        ):
            before = cascade(x)
            change()
            assert not torch.equal(cascade(x), before)
            close(cascade(x), cascade.layer_by_layer(x))


def it_can_be_built_where_nothing_is_trained(cascade: Cascade, x: torch.Tensor) -> None:
    with torch.inference_mode():
        made = Cascade.from_config(cascade.config(), generator=generator())
        assert torch.equal(made(x), cascade(x)) and torch.equal(made(x), cascade(x))


def inference_does_not_stop_gradients(cascade: Cascade, x: torch.Tensor) -> None:
    with torch.inference_mode():
        cascade.binned(x, (3, 2))
        cascade(x)
    (cascade(x).abs().square().sum() + cascade.binned(x, (3, 2)).abs().square().sum()).backward()
    assert all(float(p.grad.abs().max()) > 0 for p in cascade.parameters())


def wrong_sizes_are_refused(cascade: Cascade, x: torch.Tensor) -> None:
    with pytest.raises(ShapeError, match=r"\(any, 2, any, any\)"):
        cascade(x[:, :1])
    if cascade.model != "zero-padded" and cascade.image_shape is not None:
        for method in (cascade, cascade.layer_by_layer, lambda y: cascade.binned(y, (1, 1))):
            with pytest.raises(ShapeError, match=r"this cascade is for \(12, 10\)"):
                method(x[..., 1:])


def it_is_final(cascade: Cascade, x: torch.Tensor) -> None:
    kind = type(cascade._model)
    assert kind in FINALS and kind.__mro__[1] is LinearModel and not kind.__subclasses__()
    implemented = {n for n, v in vars(LinearModel).items() if callable(v) and not n.startswith("_")}
    assert implemented == set(LinearModel.__abstractmethods__)  # nothing to override


PROPERTIES: list[Callable[[Cascade, torch.Tensor], None]] = [
    fast_is_slow,
    some_samples_are_those_of_all,
    one_mask_or_a_refusal,
    double_is_more_exact,
    copies_and_states_agree,
    every_change_of_a_parameter_shows,
    it_can_be_built_where_nothing_is_trained,
    inference_does_not_stop_gradients,
    wrong_sizes_are_refused,
    it_is_final,
]


@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("name", CASCADES)
def test_every_model(name, holds):
    cascade = Cascade((2, 3, 2), 3, **CASCADES[name], generator=generator())
    assert cascade.model == name.split(",")[0]
    holds(cascade, torch.randn(3, 2, *SHAPE, generator=generator(1)))


def test_every_final_is_asked():
    made = {type(Cascade((2, 3, 2), 3, **o, generator=generator())._model) for o in CASCADES.values()}
    assert made == FINALS == set(LinearModel.__subclasses__())
