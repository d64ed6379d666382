"""Neural-tangent distillation: the student should learn from an image what the teacher would learn from it.

To first order, a gradient step on image j changes the answer to image i by `Theta_ij`, the empirical neural tangent
kernel (Jacot, Gabriel, Hongler, arXiv 1806.07572; for finite networks Lee et al., arXiv 1902.06720)

    Theta_ij = sum_c < d f_c(x_i) / d theta, d f_c(x_j) / d theta >,

a Gram matrix of tangent vectors, traced over the outputs c. The loss compares student's and teacher's by their centred
alignment (Cortes, Mohri, Rostamizadeh, JMLR 13, 795 (2012), equation 3), which neither the number of parameters nor a
scale of the weights changes:

    L = 1 - <C Theta_s C, C Theta_t C> / (|C Theta_s C| |C Theta_t C|),   C = 1 - 1 1^T / n.

**What this is, and how it may differ.** The name is that of Xiang et al., arXiv 2508.08421 ("NTKD"), whose abstract
is all that could be read here: it aligns an optical network with its electronic teacher by neural tangent knowledge,
before fabrication and when the digital back end is refitted. The formula above is this project's own reading of those
words. The published loss may compare the kernels otherwise (a norm of the difference, other parameters, linearised
predictions), weigh them otherwise, or take other batches. Both networks are evaluated here as functions of one image:
normalisation with its running statistics, no dropout, and no noise but that of the student's own features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from distill.data.augmentation import Answers
from distill.training.distillation import TangentSpec, value_at
from distill.training.losses.functions import void_in
from distill.training.losses.term import Seen, Setup, Term
from distill.training.taps import BACKEND, CAMERA, has_part, part
from optics.errors import OpticsError
from optics.modules import evaluating

_TINY = 1e-12


def alignment_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """One minus the centred alignment of two Gram matrices (n, n); 0 where they are proportional, at most 2."""
    a, b = (k - k.mean(0, keepdim=True) - k.mean(1, keepdim=True) + k.mean() for k in (student, teacher))
    return 1 - (a * b).sum() / (a.norm() * b.norm()).clamp(min=_TINY)


def gram(module: nn.Module, inputs: Tensor, directions: Tensor) -> Tensor:
    """The tangent kernel (n, n) of a module's trained parameters (of all, where none is trained), mean over directions.

    Args:
        module: one input to one output; evaluated in `eval` mode.
        inputs: (n, ...); a gradient reaches them.
        directions: (d, n, *output), such as the classes' unit vectors or random signs.
    """
    named = dict(module.named_parameters())
    trained = [k for k, p in named.items() if p.requires_grad] or list(named)
    parameters: dict[str, Tensor] = {k: named[k] for k in trained}
    held: dict[str, Tensor] = {k: p for k, p in named.items() if k not in parameters}
    held |= dict(module.named_buffers())

    def answer(own: dict[str, Tensor], one: Tensor, direction: Tensor) -> Tensor:
        return (functional_call(module, (own, held), (one[None],))[0] * direction).sum()

    tangents = vmap(grad(answer), in_dims=(None, 0, 0))
    with evaluating(module):
        return _mean_gram(lambda direction: tangents(parameters, inputs, direction).values(), directions)


def gram_of_optics(model: nn.Module, inputs: Tensor, directions: Tensor, optics: nn.Module) -> Tensor:
    """The share of the tangent kernel (n, n) that the optics' parameters have; one backward pass an image.

    Raises:
        OpticsError: the optics has nothing to train, or is on a bench, whose elements have no second derivative.
    """
    parameters = [p for p in optics.parameters() if p.requires_grad]
    if not parameters:
        raise OpticsError(
            "distillation.tangent.of is 'network' and the optics is not trained; take 'electronics'."
        )
    with evaluating(model):
        out = model(inputs)

        def rows(direction: Tensor) -> list[Tensor]:
            values = (out * direction).flatten(1).sum(1)
            found = [torch.autograd.grad(v, parameters, create_graph=True, allow_unused=True) for v in values]
            used = [k for k, row in enumerate(found[0]) if row is not None]
            return [torch.stack([row[k] for row in found]) for k in used]

        return _mean_gram(rows, directions)


def _mean_gram(rows: Callable[[Tensor], Iterable[Tensor]], directions: Tensor) -> Tensor:
    n = directions.shape[1]
    total = directions.new_zeros(n, n)
    for direction in directions:
        for tangent in rows(direction):
            flat = (torch.view_as_real(tangent) if tangent.is_complex() else tangent).reshape(n, -1)
            total = total + flat @ flat.mT
    return total / len(directions)


class Tangent(Term):
    """Centred misalignment of the student's and the teacher's tangent kernels, see this file's head."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        told, guide = setup.spec.distillation.tangent, setup.guide
        if told is None or guide is None:
            raise OpticsError("neural-tangent distillation needs distillation.tangent and a teacher.")
        self.told: TangentSpec = told
        if has_part(guide.asked("distillation.tangent"), "cascade"):
            raise OpticsError(
                "distillation.tangent needs a teacher without optics; leave it out, or set refit.taught_by = 'teacher' "
                "where the network is its own."
            )
        self.behind = has_part(setup.model, BACKEND)
        if told.of == "network" and not isinstance(getattr(setup.model, "cascade", None), nn.Module):
            raise OpticsError(
                "distillation.tangent.of is 'network', which needs optics off the bench: a bench's elements have no "
                "second derivative. Take 'electronics'."
            )

    def weight(self, done: float) -> float:
        """The configuration's `tangent.weight`."""
        return value_at(self.told.weight, done)

    def watches(self) -> tuple[str, ...]:
        """What the back end is given."""
        return (CAMERA,) if self.behind else ()

    def over(self, answers: Answers) -> int:
        """Images whose tangents are taken."""
        return min(self.told.images, len(answers.labels))

    def mean(self, seen: Seen) -> Tensor:
        """Between 0 and 2."""
        if seen.guide is None:
            raise OpticsError("there is no teacher to ask.")
        n = self.over(seen.answers)
        directions = self._directions(seen, n)
        electronics = part(seen.model, BACKEND) if self.behind else seen.model
        given = seen.features[CAMERA] if self.behind else seen.inputs
        own = gram(electronics, given[:n], directions)
        if self.told.of == "network":
            own = own + gram_of_optics(seen.model, seen.inputs[:n], directions, part(seen.model, "cascade"))
        shown = seen.guide.shown(seen.inputs, seen.index)[:n]
        with torch.no_grad():
            wanted = gram(seen.guide.asked("distillation.tangent"), shown, directions)
        return alignment_loss(own, wanted)

    def _directions(self, seen: Seen, n: int) -> Tensor:
        """All classes where there are few, else random signs whose mean product is the same; zero where void."""
        shape, d = seen.out.shape[1:], self.told.directions
        if len(shape) == 1 and shape[0] <= d:
            found = torch.eye(shape[0])
        else:
            found = torch.randint(0, 2, (d, *shape), generator=seen.draws).float() * 2 - 1
        found = found.to(seen.out)[:, None].expand(-1, n, *shape)
        void = void_in(seen.answers)
        if void is None:
            return found
        kept = (~void[:n]).to(found)
        return found * kept.reshape(1, n, 1, *kept.shape[1:])
