"""Nonlinear teachers by name, or from a file."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from networks.channels_last import channels_last
from networks.seeded import Dropout, drawn
from networks.teachers.program import load_program
from networks.teachers.resnet import ResNet
from networks.teachers.unet import UNet
from optics.checks import OpticsError, ShapeError

Factory = Callable[[int, int, tuple[int, int], torch.Generator], nn.Module]
_TEACHERS: dict[str, Factory] = {}
_DROPOUT = 0.3  # share of values that LeNet-5 drops before each of its last two layers
_SMALL_IMAGE = 64  # pixels a side up to which ResNet-10 and 18 keep the resolution in their first layers


def register(name: str) -> Callable[[Factory], Factory]:
    """Decorator that adds a factory `(in_channels, classes, image_size, generator) -> module` under `name`."""

    def add(factory: Factory) -> Factory:
        if name in _TEACHERS:
            raise OpticsError(f"a teacher called {name!r} exists already; choose another name.")
        _TEACHERS[name] = factory
        return factory

    return add


def teacher_names() -> tuple[str, ...]:
    """Names that `create_teacher` knows, sorted."""
    return tuple(sorted(_TEACHERS))


def create_teacher(
    name: str,
    in_channels: int,
    classes: int,
    image_size: tuple[int, int],
    *,
    generator: torch.Generator,
) -> nn.Module:
    """The teacher called `name` for images (B, in_channels, *image_size), logits (B, classes).

    Raises:
        OpticsError: no such teacher; the message gives the nearest names.
    """
    if name not in _TEACHERS:
        near = difflib.get_close_matches(name, teacher_names(), n=3, cutoff=0.3) or list(teacher_names())
        raise OpticsError(f"no teacher is called {name!r}; did you mean {' or '.join(near)}?")
    return _TEACHERS[name](in_channels, classes, image_size, generator)


def load(path: str | Path) -> nn.Module:
    """A teacher from a `torch.export` file (`.pt2`), in `eval` mode; `program` says what is refused.

    A model of this project's own is a `safetensors` file, which `distill.training.checkpoint` reads; any other
    `nn.Module` can be passed as it is wherever a teacher is wanted.
    """
    return load_program(path).eval()


class LeNet5(nn.Module):
    """LeNet-5 in a modern dress: two 5x5 convolutions with ReLU and max pooling, then 120, 84 and the classes.

    Source: LeCun et al., Proc. IEEE 86(11) 2278 (1998). About 98 % of the test digits after 5000 training digits.
    """

    def __init__(
        self, in_channels: int, classes: int, image_size: tuple[int, int], generator: torch.Generator
    ) -> None:
        super().__init__()
        ny, nx = ((n // 2 - 4) // 2 for n in image_size)
        if min(ny, nx) < 1:
            raise ShapeError(f"image_size is {image_size}; LeNet-5 needs at least (12, 12).")
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, 16, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(32 * ny * nx, 120),
            nn.ReLU(),
            Dropout(_DROPOUT, generator),
            nn.Linear(120, 84),
            nn.ReLU(),
            Dropout(_DROPOUT, generator),
            nn.Linear(84, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, y, x) to logits (B, classes)."""
        return self.head(self.body(channels_last(x)))


@register("lenet5")
def _lenet5(
    in_channels: int, classes: int, image_size: tuple[int, int], generator: torch.Generator
) -> nn.Module:
    return drawn(lambda: LeNet5(in_channels, classes, image_size, generator), generator)


@register("resnet-small")
def _resnet_small(
    in_channels: int, classes: int, image_size: tuple[int, int], generator: torch.Generator
) -> nn.Module:
    """Six convolutions deep in three widths, 0.17 M parameters: for images of 28 to 64 pixels."""
    return ResNet(
        in_channels, classes, widths=(16, 32, 64), blocks=1, large_images=False, generator=generator
    )


@register("resnet10-half")
def _resnet10_half(
    in_channels: int, classes: int, image_size: tuple[int, int], generator: torch.Generator
) -> nn.Module:
    """ResNet-10 at half its width, 1.2 M parameters: for images above 64 pixels on a computer without a GPU."""
    return _of_any_size(in_channels, classes, image_size, generator, widths=(32, 64, 128, 256), blocks=1)


@register("resnet18")
def _resnet18(
    in_channels: int, classes: int, image_size: tuple[int, int], generator: torch.Generator
) -> nn.Module:
    """ResNet-18, 11 M parameters; its first layers keep the resolution of images below 65 pixels."""
    return _of_any_size(in_channels, classes, image_size, generator, widths=(64, 128, 256, 512), blocks=2)


def _of_any_size(
    in_channels: int,
    classes: int,
    image_size: tuple[int, int],
    generator: torch.Generator,
    *,
    widths: tuple[int, ...],
    blocks: int,
) -> ResNet:
    """A residual network whose first layers keep the resolution of small images alone."""
    large = min(image_size) > _SMALL_IMAGE
    return ResNet(in_channels, classes, widths=widths, blocks=blocks, large_images=large, generator=generator)


@register("unet")
def _unet(
    in_channels: int, classes: int, image_size: tuple[int, int], generator: torch.Generator
) -> nn.Module:
    """U-Net of width 16: logits of the whole image, (B, classes, y, x)."""
    depth = min(3, int(min(image_size)).bit_length() - 1)
    return UNet(in_channels, classes, depth=depth, generator=generator)
