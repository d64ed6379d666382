"""The teacher as the losses ask it: its answers for the images of a step, worked out before or when they are wanted."""

from __future__ import annotations

import functools
import hashlib
import inspect
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from distill.training.checkpoint import digest_of
from distill.training.taps import Taps
from optics.devices import device_of
from optics.errors import OpticsError, ShapeError
from optics.modules import evaluating


@dataclass(frozen=True)
class Lesson:
    """What a teacher says of the images of a step.

    Attributes:
        logits: (B, classes) or (B, classes, H, W).
        features: what its watched parts gave, by their names.
    """

    logits: Tensor
    features: Mapping[str, Tensor] = field(default_factory=dict)


class Memory:
    """What one teacher said of images, for students that are shown the same ones: those of a run see the same moves.

    They may ask at the same time; the same question waits for the first one's answer. Answers are of so many threads as
    ask: others round otherwise.

    Args:
        most: bytes of answers that are kept; later ones are worked out each time.
    """

    def __init__(self, most: int = 2**29) -> None:
        self.most, self.held = most, 0
        self._answers: dict[tuple[object, ...], Tensor] = {}
        self._asking: dict[tuple[object, ...], threading.Lock] = {}
        self._lock = threading.Lock()

    def of(self, images: Tensor, fast: bool, ask: Callable[[], Tensor]) -> Tensor:
        """The answers for `images` (B, C, H, W); by `ask()` where these very values were not asked about before."""
        values = images.detach().cpu().contiguous()
        digest = hashlib.blake2b(values.numpy().data, digest_size=16).digest()
        key = (digest, tuple(values.shape), values.dtype, fast, torch.get_num_threads())
        with self._lock:
            turn = self._asking.setdefault(key, threading.Lock())
        with turn:
            found = self._answers.get(key)
            if found is None:
                found = ask()
                self._keep(key, found)
        with self._lock:
            self._asking.pop(key, None)
        return found.to(images.device)

    def _keep(self, key: tuple[object, ...], answers: Tensor) -> None:
        with self._lock:
            if self.held + answers.nbytes <= self.most:
                self.held += answers.nbytes
                self._answers[key] = answers.cpu()

    def forget(self) -> None:
        """Let go of all answers."""
        with self._lock:
            self._answers, self.held = {}, 0


class Guide:
    """A teacher, or its logits for every training image.

    Answers are worked out once for all images where these stay as they are and only answers are wanted, and for every
    step otherwise: stored answers would belong to other images.

    Args:
        teacher: a module with the student's outputs, or its logits for each training image, (N, classes).
        images: what it sees: the training images, (N, C, H, W). Where there are more inputs than images, such as
            several exposures of each, input `n` is of image `n % N`.
        moving: whether the images of a step are moved, mixed or covered; then it sees what the student sees.
        fast: answers for such images are computed in bfloat16.
        memory: keeps answers for other students of this teacher.

    Raises:
        OpticsError: logits for images that are moved; ShapeError: not as many logits as images.
    """

    def __init__(
        self,
        teacher: nn.Module | Tensor,
        images: Tensor,
        *,
        moving: bool,
        fast: bool = False,
        memory: Memory | None = None,
    ) -> None:
        self.module = teacher.eval() if isinstance(teacher, nn.Module) else None
        self.stored = teacher if isinstance(teacher, Tensor) else None
        self.images, self.moving, self.fast, self.memory = images, moving, fast, memory
        self.taps: Taps | None = None
        if self.stored is not None:
            if moving:
                raise OpticsError(
                    "moved images need a teacher module to label them; pass the module, not its logits."
                )
            if len(self.stored) != len(images):
                raise ShapeError(f"the teacher gives {len(self.stored)} logits for {len(images)} images.")

    def digest(self) -> str:
        """sha256 of the teacher's kind and weights; of its logits where these are all there is."""
        if self.module is not None:
            return digest_of({"kind": type(self.module).__qualname__}, self.module)
        answers = nn.Module()
        answers.register_buffer("answers", self.stored)
        return digest_of({}, answers)

    def asked(self, why: str) -> nn.Module:
        """The teacher's module.

        Raises:
            OpticsError: there are only its answers; says `why` they do not do.
        """
        if self.module is None:
            raise OpticsError(f"{why} needs the teacher itself; pass the module, not its logits.")
        return self.module

    def watch(self, name: str, why: str) -> None:
        """Give what a part of the teacher gives with every lesson.

        Raises:
            OpticsError: there is no such part, or no module.
        """
        names = [] if self.taps is None else list(self.taps.parts)
        self.taps = Taps(self.asked(why), [*names, name])

    def shown(self, inputs: Tensor, index: Tensor) -> Tensor:
        """The images of a step as the teacher sees them."""
        return inputs if self.moving else self.images[index % len(self.images)].to(inputs.device)

    def lesson(self, inputs: Tensor, index: Tensor) -> Lesson:
        """What the teacher says of a step's inputs, which are those at `index` before any move."""
        if self.module is not None and self.taps is not None:
            with self.taps.open() as features:
                answers = logits(self.module, self.shown(inputs, index), len(index))
            return Lesson(answers, features)
        if self.module is not None and self.moving:
            ask = functools.partial(self._answers, self.module, inputs)
            answers = ask() if self.memory is None else self.memory.of(inputs, self.fast, ask)
            return Lesson(answers.to(inputs.dtype))
        stored = self.answers()
        return Lesson(stored[index % len(stored)].to(inputs.device))

    def answers(self) -> Tensor:
        """What it says of its images as they are, (N, classes, ...), worked out once."""
        if self.stored is None:
            ask = functools.partial(logits, self.asked("an answer"), self.images)
            self.stored = ask() if self.memory is None else self.memory.of(self.images, False, ask)
        return self.stored

    def _answers(self, module: nn.Module, inputs: Tensor) -> Tensor:
        if not self.fast:
            return logits(module, inputs)
        with torch.autocast(device_of(module).type, torch.bfloat16):
            return logits(module, inputs)


def takes_generator(model: nn.Module) -> bool:
    """Whether the model's `forward` takes `generator`, hence draws noise."""
    return "generator" in inspect.signature(model.forward).parameters


def logits(
    model: nn.Module, images: Tensor, batch_size: int = 256, *, generator: torch.Generator | None = None
) -> Tensor:
    """The model's output for all images, in `eval` mode without gradients; each of its parts is left in its mode.

    Args:
        model: images (B, C, H, W) to logits.
        images: (N, C, H, W), on any device; they go to the model's part by part.
        batch_size: images at a time.
        generator: draws the noise of a model that takes one; None is without noise.

    Returns:
        (N, classes), or (N, classes, H, W) of a segmentation model; where the images are.
    """
    options = {"generator": generator} if generator is not None and takes_generator(model) else {}
    device = device_of(model)
    with evaluating(model), torch.no_grad():
        parts = (model(part.to(device), **options) for part in images.split(batch_size))
        return torch.cat([part.to(images.device) for part in parts])
