"""Single precision where torch would round: the flag while something computes, and behind it what it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from optics import devices

CONVOLUTIONS = torch.backends.cudnn.conv


@pytest.fixture(params=["tf32", "ieee"])
def before(request) -> Iterator[str]:
    found, CONVOLUTIONS.fp32_precision = CONVOLUTIONS.fp32_precision, request.param
    yield request.param
    CONVOLUTIONS.fp32_precision = found


@pytest.mark.parametrize(("device", "within"), [("cuda", "ieee"), ("cpu", None)])
def test_convolutions_are_single_precision_on_cuda_and_as_before_behind_it(before, device, within):
    with pytest.raises(KeyError), devices.single_precision(torch.device(device)):
        assert CONVOLUTIONS.fp32_precision == (within or before)
        raise KeyError
    assert CONVOLUTIONS.fp32_precision == before
