"""The back ends by name: every one is built again from its configuration, and names are unique."""

from __future__ import annotations

import json

import pytest
import torch

from networks.backends import Stacked, backend_names, registry
from optics.checks import OpticsError
from tests.scenes import generator

OPTIONS = {"segmenter": {"image_shape": (9, 8)}}


def made(name: str) -> torch.nn.Module:
    return registry.create(name, (4, 3, 2), 5, generator=generator(), **OPTIONS.get(name, {}))


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("name", backend_names())
def test_every_back_end_is_built_again_from_json(name, stacked):
    backend = Stacked(2, made(name)) if stacked else made(name)
    config = json.loads(json.dumps(registry.description(backend)))
    again = registry.from_config(config, generator=generator(1))
    assert type(again) is type(backend)
    again.load_state_dict(backend.state_dict())
    x = torch.rand(3, 1, 6, 4, generator=generator(2)) if stacked else torch.rand(3, 4, 3, 2)
    torch.testing.assert_close(again.eval()(x), backend.eval()(x), rtol=0, atol=0)
    assert registry.description(again) == registry.description(backend)


@pytest.mark.parametrize("name", backend_names())
def test_one_alike_takes_other_features_and_the_generators_values(name):
    other = registry.alike(made(name), (2, 5, 6), square_root=False, generator=generator(3))
    same = registry.alike(made(name), (2, 5, 6), square_root=False, generator=generator(3))
    assert other(torch.rand(2, 2, 5, 6)).shape[:2] == (2, 5)
    assert registry.description(other) | {"features": [4, 3, 2], "square_root": True} == registry.description(
        made(name)
    )
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), same.parameters(), strict=True))


def test_names_are_unique_and_unknown_ones_are_answered_with_the_known():
    with pytest.raises(OpticsError, match="'classifier' exists already"):
        registry.registered("classifier")(torch.nn.Identity)
    for config in ({"kind": "decoder"}, {"kind": ["classifier"]}):
        with pytest.raises(OpticsError, match="choose one of classifier, segmenter, embedder, stacked"):
            registry.from_config(config)
    with pytest.raises(OpticsError, match="choose one of classifier, segmenter, embedder"):
        registry.create("stacked", (4, 3, 2), 5, generator=generator())
