"""Numbers of a bench as parameters: found again from what the bench gave, and refused where none are."""

from __future__ import annotations

import pytest
import torch

from networks.students.adjustable import Adjustable
from optics.checks import SpecError
from tests.scenes import REAL, SHAPE, lopsided, student

TRUE = {"alignment.mask_shift": (40e-6, -20e-6), "slm.curvature": {4: 0.4}, "alignment.mask_axial": 3e-4}
START = {"alignment.mask_shift": (16e-6, -8e-6), "slm.curvature": {4: 0.0}, "alignment.mask_axial": 0.0}
SCALES = {"alignment.mask_shift": 20e-6, "slm.curvature": 0.3, "alignment.mask_axial": 3e-4}
BENCH = REAL.replace(**{"slm.shape": (60, 64), "slm.pitch": 30e-6, "slm.crosstalk": (0.0, 0.0), **START})


def test_a_bench_is_found_again_by_descent_on_what_a_network_saw_there():
    model = student((1, 2)).double()
    x = lopsided(2, 1, *SHAPE, dtype=torch.float64)
    seen = model.on(BENCH.replace(**TRUE)).expected(x).detach()
    net = Adjustable(model, BENCH, SCALES)
    optimiser = torch.optim.LBFGS(net.offsets.parameters(), max_iter=25, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = ((net.network().expected(x) - seen) / seen.max()).square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    found = net.adjusted()
    assert found.alignment.mask_shift == pytest.approx(TRUE["alignment.mask_shift"], abs=0.05e-6)
    assert found.slm.curvature[4] == pytest.approx(0.4, abs=0.01)
    assert found.alignment.mask_axial == pytest.approx(3e-4, abs=1e-5)


def test_it_is_the_student_on_the_bench_until_something_is_adjusted():
    model, x = student((1, 2)), lopsided(2, 1, *SHAPE)
    net = Adjustable(model, BENCH, SCALES).eval()
    assert torch.allclose(net(x), model.on(BENCH).eval()(x), atol=1e-4)
    net.train()(x).square().sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in net.offsets)


@pytest.mark.parametrize("name", ["slm.pitch", "lens2.zernike", "alignment.tilt", "name"])
def test_what_cannot_be_adjusted_is_refused(name):
    with pytest.raises(SpecError, match=r"number|tensor"):
        Adjustable(student((1, 2)), BENCH, {name: 1.0})
