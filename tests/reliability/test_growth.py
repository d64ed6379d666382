"""Memory does not grow with steps or cells; `python -m tests.reliability.growth` takes thousands."""

from __future__ import annotations

import pytest

from tests.reliability.growth import MOST, cells, ratios, resident, training

pytestmark = pytest.mark.skipif(resident() == 0, reason="the system does not tell a process's memory")


@pytest.mark.parametrize(("work", "count"), [(training, 200), (cells, 30)])
def test_memory_stays(work, count, tmp_path):
    seen = work(count, tmp_path / "x")
    assert len(seen) >= 20
    assert ratios(seen)[-1] < MOST


def test_growth_would_be_seen():
    assert ratios([10**8 + 10**6 * k for k in range(100)])[-1] > MOST
