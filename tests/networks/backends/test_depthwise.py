"""Dilated convolutions in whichever order they are summed, against torch's own; in bfloat16, over unclean memory."""

from __future__ import annotations

import pytest
import torch

from networks.backends import classifier, depthwise, segmenter_embedder
from networks.backends.classifier import Backend
from networks.backends.depthwise import Depthwise
from networks.backends.segmenter_embedder import Segmenter
from networks.channels_last import channels_last

# at 16 x 16 bfloat16 is right by itself; from 32 x 32 on its weights' gradient was 1e17 and more
BINS = [(16, 16), (21, 24), (32, 32), (48, 36)]

# each way of `networks.backends.depthwise`: the own tap alone, matrices, interleaved (whole or not), torch's own
SIZES = [(1, 1), (3, 5), (8, 8), (7, 9), (14, 14), (16, 12), (21, 35)]


@pytest.mark.parametrize("dilation", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("bins", SIZES, ids=str)
def test_the_order_of_summing_changes_nothing(bins, dilation):
    """Answers with and without a gradient, and the gradients of maps, taps and biases, are torch's own in float64."""
    draws = torch.Generator().manual_seed(dilation)
    convolution = Depthwise(5, dilation=dilation).double()
    x = torch.randn(4, 5, *bins, generator=draws, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(4, 5, *bins, generator=draws, dtype=torch.float64)
    theirs = torch.nn.Conv2d(5, 5, 3, padding=dilation, dilation=dilation, groups=5).double()
    theirs.load_state_dict(convolution.state_dict())
    own = torch.autograd.grad(convolution(x), [x, *convolution.parameters()], upstream)
    truth = torch.autograd.grad(theirs(x), [x, *theirs.parameters()], upstream)
    torch.testing.assert_close(own, truth, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(convolution(x), theirs(x), rtol=1e-10, atol=1e-10)
    with torch.no_grad():
        assert torch.equal(convolution(x), theirs(x))


WAYS = [  # bins, dilation, which way a step goes
    ((8, 8), 1, "library"),
    ((8, 8), 2, "_as_matrices"),
    ((8, 8), 7, "_as_matrices"),
    ((8, 8), 8, "own tap"),
    ((3, 40), 8, "library"),
    ((14, 14), 2, "_interleaved"),
    ((14, 14), 4, "_interleaved"),
    ((12, 12), 4, "library"),
    ((13, 12), 8, "library"),
    ((36, 48), 8, "_interleaved"),
]


@pytest.mark.parametrize(("bins", "dilation", "way"), WAYS, ids=str)
def test_each_size_has_its_way_in_training_alone(bins, dilation, way, monkeypatch):
    """With a gradient of the maps, of the taps, or of both; without any, and in a program, the library's."""
    called = []
    for name in ("_as_matrices", "_interleaved"):
        real = getattr(depthwise, name)
        monkeypatch.setattr(depthwise, name, lambda *a, n=name, f=real: called.append(n) or f(*a))
    library = torch.nn.Conv2d.forward
    monkeypatch.setattr(
        torch.nn.Conv2d, "forward", lambda self, x: called.append("library") or library(self, x)
    )
    convolution, x = Depthwise(3, dilation=dilation), torch.randn(2, 3, *bins)
    expected = [] if way == "own tap" else [way]
    for frozen, followed in ((False, False), (False, True), (True, True)):
        called.clear()
        convolution.requires_grad_(not frozen)
        convolution(x.clone().requires_grad_(followed))
        assert called == expected
    called.clear()
    convolution(x)
    with torch.no_grad():
        convolution.requires_grad_(True)(x)
    convolution(x[0])  # one image, without the axis of images
    assert called == ["library"] * 3


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_program_is_the_librarys_for_any_number_of_images():
    convolution, x = Depthwise(3, dilation=2), torch.randn(2, 3, 14, 14)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(convolution, (x,), dynamic_shapes=({0: batch},))
    asked = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert asked == ["aten.conv2d.default"]
    traced = torch.jit.trace(convolution, x)
    more = torch.randn(5, 3, 14, 14)
    for made in (program.module(), traced):
        torch.testing.assert_close(made(more), convolution(more))


@pytest.mark.parametrize(
    "around", [torch.inference_mode, lambda: torch.device("meta")], ids=["inference", "meta"]
)
def test_nothing_is_kept_of_where_it_was_first_used(around):
    convolution, x = Depthwise(3, dilation=2), torch.randn(2, 3, 8, 8)
    with around(), torch.enable_grad():
        convolution(x)
    own = torch.autograd.grad(convolution(x).square().sum(), convolution.weight)
    truth = torch.autograd.grad(torch.nn.Conv2d.forward(convolution, x).square().sum(), convolution.weight)
    torch.testing.assert_close(own, truth)


@pytest.mark.parametrize("bins", SIZES, ids=str)
def test_tangents_are_those_of_torchs_own(bins):
    """Forward derivatives and one gradient an image, as the distillation of tangent kernels asks for them."""
    convolution = Depthwise(3, dilation=2).double()
    weights = {k: v.detach() for k, v in convolution.named_parameters()}
    x = torch.randn(4, 3, *bins, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def own(w, image):
        return torch.func.functional_call(convolution, w, image[None]).square().sum()

    def theirs(w, image):
        maps = torch.nn.functional.conv2d(
            image[None], w["weight"], w["bias"], padding=2, dilation=2, groups=3
        )
        return maps.square().sum()

    got, truth = (torch.func.vmap(torch.func.grad(f), (None, 0))(weights, x) for f in (own, theirs))
    torch.testing.assert_close(got, truth, rtol=1e-10, atol=1e-10)
    forward = [torch.func.jvp(lambda w, f=f: f(w, x[0]), (weights,), (weights,)) for f in (own, theirs)]
    torch.testing.assert_close(*forward, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dilation", [1, 2, 4, 8])
@pytest.mark.parametrize("bins", BINS, ids=str)
def test_gradients_of_a_step_in_bfloat16_are_those_of_float64(bins, dilation):
    """Of the weights and of the maps, within bfloat16's eight bits."""
    draws = torch.Generator().manual_seed(dilation)
    convolution = Depthwise(16, dilation=dilation)
    x = channels_last(torch.randn(8, 16, *bins, generator=draws)).requires_grad_()
    upstream = channels_last(torch.randn(8, 16, *bins, generator=draws))
    dirty = [torch.full((1 << 18,), 3e38) for _ in range(8)]  # what the allocator hands out again
    del dirty
    with torch.autocast("cpu", torch.bfloat16):
        y = convolution(x)
    y.backward(upstream.to(y.dtype))
    exact_x = x.detach().double().requires_grad_()
    weight = convolution.weight.detach().double().requires_grad_()
    bias = convolution.bias.detach().double()
    exact = torch.nn.functional.conv2d(exact_x, weight, bias, padding=dilation, dilation=dilation, groups=16)
    exact.backward(upstream.double())
    for got, truth in ((y, exact), (convolution.weight.grad, weight.grad), (x.grad, exact_x.grad)):
        assert torch.linalg.norm(got.double() - truth) < 1e-2 * torch.linalg.norm(truth)


@pytest.mark.parametrize("device", ["cpu", "meta", "cuda"])
def test_maps_have_their_channels_innermost_where_that_is_faster(device):
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no such accelerator")
    maps = depthwise.innermost(torch.zeros(2, 3, 4, 5, device=device))
    assert maps.is_contiguous(memory_format=torch.channels_last) == (device != "cuda")


STEPS = [
    lambda draws: Backend((6, 14, 14), 3, mix=5, context=3, average=(2, 2), generator=draws),
    lambda draws: Segmenter((6, 14, 14), 3, image_shape=(28, 28), width=5, context=3, generator=draws),
]


@pytest.mark.parametrize("build", STEPS, ids=["classifier", "segmenter"])
def test_the_order_of_maps_in_memory_changes_no_answer_and_no_gradient(build, monkeypatch):
    backend = build(torch.Generator().manual_seed(0)).double()
    x = torch.rand(4, 6, 14, 14, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = []
    for module in (classifier, segmenter_embedder):
        assert module.innermost is depthwise.innermost
    for _ in range(2):
        answer = backend(x)
        found.append(
            (answer.detach(), *torch.autograd.grad(answer.square().sum(), list(backend.parameters())))
        )
        for module in (classifier, segmenter_embedder):
            monkeypatch.setattr(module, "innermost", lambda maps: maps)
    torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)
