"""What a network is asked for, and its row of the table: a class, a class per pixel, or who a face is.

| task | images have | answers | figure of merit | beside it |
|---|---|---|---|---|
| `classes` | one label each | classes | accuracy | |
| `pixels` | a label per pixel | classes of pixels | mean IoU | IoU of each class, share of right pixels |
| `people` | one label each; the back end embeds | unit vectors | rank one among the pictures of training | 1 - EER |
| `strangers` | test labels that training never saw | unit vectors | rank one among the other test pictures | 1 - EER |

IoU: intersection over union, over all pixels of the part that are not void. EER: equal error rate of "the same person
or not" over all pairs of test pictures; absent where no two of them show one person.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from distill.data.dataset import Dataset, Splits
from distill.metrics.confusion import confusion_matrix, intersection_over_union, share_right
from distill.metrics.recognition import most_alike, verification
from distill.metrics.resampling import bootstrapped
from distill.metrics.row import Row, error_of_share, score
from optics.checks import OpticsError
from optics.devices import device_of
from optics.modules import evaluating
from optics.spec import Validated


class Task(abc.ABC):
    """What is asked of a network (abstract).

    name: as in the table above. metric: its figure of merit.
    """

    name: ClassVar[str]
    metric: ClassVar[str]

    @abc.abstractmethod
    def answers(self, network: nn.Module, inputs: Tensor, batch_size: int) -> Tensor:
        """What a network says of images, or a back end of features (N, ...): (N, ...), without noise."""

    @abc.abstractmethod
    def row(self, answers: Tensor, test: Dataset, known: Known | None) -> Row:
        """The row of answers (draws, N, ...) to the test part; `known` where `gallery` asked for it."""

    @abc.abstractmethod
    def per_unit(self, answers: Tensor, test: Dataset, known: Known | None) -> Tensor:
        """What each unit of the sample (an image, of strangers a person) adds to the figure: (draws, units, sums)."""

    @abc.abstractmethod
    def per_image(self, answers: Tensor, labels: Tensor, known: Known | None) -> Tensor:
        """How well each image went, (draws, N) from 0 to 1, of answers (draws, N, ...) and the test part's labels."""

    @abc.abstractmethod
    def merit(self, sums: Tensor) -> Tensor:
        """The figure of merit (...) of sums (..., sums) over units."""

    def difference(self, one: Tensor, other: Tensor) -> Difference:
        """Figures of two networks that answer the same images, `one` less `other`.

        Args:
            one: of `per_unit`, (draws, units, sums). Draws are trainings, paired where there are as many of both: the
                same first values, the same order of images.
            other: of the other network.

        Where no unit tells them apart, the sampling error is that of half a unit for either, `1 / (units + 2)`
        (Agresti and Min, Statistics in Medicine 24, 729 (2005)): few units say little.
        """
        one, other = one.double(), other.double()
        if len(one) != len(other):
            one, other = one.mean(0, keepdim=True), other.mean(0, keepdim=True)
        by_draw = self.merit(one.sum(1)) - self.merit(other.sum(1))

        def of(index: Tensor) -> Tensor:
            return (self.merit(one[:, index].sum(1)) - self.merit(other[:, index].sum(1))).mean()

        units = one.shape[1]
        alike = torch.equal(one.mean(0), other.mean(0))
        return Difference(
            mean=float(by_draw.mean()),
            spread=float(by_draw.std()) if len(by_draw) > 1 else 0.0,
            sampling=1 / (units + 2) if alike else float(bootstrapped(units, of, resamples=1000)),
            draws=len(by_draw),
            units=units,
        )

    def gallery(self, splits: Splits) -> Dataset | None:
        """Images of people who are known, with whom the test images are compared; None where the task has none."""
        return None

    def people(self, labels: Tensor) -> Tensor | None:
        """Who each image shows, (N,), where the sample is one of people and not of images; else None."""
        return None

    def confusion(self, answers: Tensor, test: Dataset) -> Tensor | None:
        """Counts (classes, classes) of answers (draws, N, ...); None where answers are no classes."""
        return None


class Difference(Validated):
    """A figure of merit of one network less that of another, on the same images.

    mean: -1 to 1, over draws. spread: standard deviation between draws. sampling: standard error from having only so
    many units (images, or people), both networks resampled together, so that what both find hard drops out.
    """

    mean: float
    spread: float = Field(ge=0)
    sampling: float = Field(ge=0)
    draws: int = Field(ge=1)
    units: int = Field(ge=1)

    @property
    def error(self) -> float:
        """Standard error of the mean, from the draws and from the images."""
        return math.hypot(self.sampling, self.spread / math.sqrt(self.draws))


class Known:
    """Unit vectors (draws, G, dimension) of people who are known, and who they are, (G,)."""

    def __init__(self, vectors: Tensor, labels: Tensor) -> None:
        self.vectors, self.labels = vectors, labels


class _Shares(Task):
    """A figure that is a share of right answers (abstract); the sums are how many are right, and of how many."""

    def merit(self, sums: Tensor) -> Tensor:
        """Right of all."""
        return sums[..., 0] / sums[..., 1]


class Classes(_Shares):
    """One class for each image."""

    name, metric = "classes", "accuracy"

    def answers(self, network: nn.Module, inputs: Tensor, batch_size: int) -> Tensor:
        """Classes (N,)."""
        return _batched(network, inputs, batch_size, lambda x: network(x).argmax(1))

    def row(self, answers: Tensor, test: Dataset, known: Known | None) -> Row:
        """Share of right answers."""
        return score(answers, test.labels)

    def per_unit(self, answers: Tensor, test: Dataset, known: Known | None) -> Tensor:
        """Right, and one, of each image."""
        return _right_of_one(self.per_image(answers, test.labels, known))

    def per_image(self, answers: Tensor, labels: Tensor, known: Known | None) -> Tensor:
        """Right or wrong."""
        return (answers == labels).float()

    def confusion(self, answers: Tensor, test: Dataset) -> Tensor | None:
        """Counts of images."""
        return confusion_matrix(answers, test.labels, test.classes)


class Pixels(Task):
    """One class for each pixel; the figure is the mean of the classes' IoU over the whole part."""

    name, metric = "pixels", "mean IoU"

    def answers(self, network: nn.Module, inputs: Tensor, batch_size: int) -> Tensor:
        """Classes of pixels (N, H, W); bytes where there are at most 256."""

        # a class is a byte: the answers of many draws of large images stay small
        def classes(x: Tensor) -> Tensor:
            found = network(x).argmax(1)
            return found.to(torch.uint8) if int(found.max()) < 256 else found

        return _batched(network, inputs, min(batch_size, 32), classes)

    def row(self, answers: Tensor, test: Dataset, known: Known | None) -> Row:
        """Mean IoU, and that of each class."""
        counts = self.per_unit(answers, test, known).unflatten(-1, (test.classes, test.classes))
        by_draw = [_mean_iou(c) for c in counts.sum(1)]
        each = intersection_over_union(counts.sum((0, 1)))
        shares = share_right(answers.long(), test.labels)
        # a class that no pixel has and no answer is has none, as in the mean
        named = zip(test.class_names, each.tolist(), strict=True)
        figures = {f"IoU {name}": iou for name, iou in named if not math.isnan(iou)}

        def again(index: Tensor) -> Tensor:
            total = counts[:, index].sum((0, 1))
            by_class, right = intersection_over_union(total), total.diagonal().sum() / total.sum()
            return torch.stack((*by_class, right, by_class.nanmean()))

        *by_class, pixels, mean = bootstrapped(len(test), again).tolist()
        errors = {f"IoU {name}": error for name, error in zip(test.class_names, by_class, strict=True)}
        return _row(
            self.metric,
            by_draw,
            len(test),
            mean,
            figures | {"right pixels": float(shares.mean())},
            {name: error for name, error in errors.items() if name in figures} | {"right pixels": pixels},
        )

    def per_unit(self, answers: Tensor, test: Dataset, known: Known | None) -> Tensor:
        """Confusion counts of each image."""
        return torch.stack([_image_counts(a.long(), test.labels, test.classes).flatten(1) for a in answers])

    def per_image(self, answers: Tensor, labels: Tensor, known: Known | None) -> Tensor:
        """Each image's own mean IoU, over the classes that the image or its answer shows.

        Unlike the whole part's it is a mean over images (Csurka et al., BMVC 2013).
        """
        classes, counts = int(max(answers.max(), labels.max())) + 1, labels >= 0
        shape = (*answers.shape[:2], classes)
        union, overlap = torch.zeros(shape), torch.zeros(shape)
        for c in range(classes):
            a, b = (answers == c) & counts, ((labels == c) & counts).expand_as(answers)
            overlap[..., c], union[..., c] = (a & b).sum((-2, -1)), (a | b).sum((-2, -1))
        shown = union > 0
        return (overlap / union.clamp(min=1) * shown).sum(-1) / shown.sum(-1).clamp(min=1)

    def merit(self, sums: Tensor) -> Tensor:
        """Mean IoU."""
        classes = math.isqrt(sums.shape[-1])
        each = [_mean_iou(c.unflatten(0, (classes, classes))) for c in sums.reshape(-1, classes**2)]
        return torch.tensor(each, dtype=torch.float64).reshape(sums.shape[:-1])

    def confusion(self, answers: Tensor, test: Dataset) -> Tensor | None:
        """Counts of pixels."""
        return confusion_matrix(answers.long(), test.labels, test.classes)


class _Faces(_Shares):
    """Who is it, by comparing unit vectors (abstract)."""

    def answers(self, network: nn.Module, inputs: Tensor, batch_size: int) -> Tensor:
        """Unit vectors (N, dimension)."""
        return _batched(network, inputs, batch_size, _embedding(network))


class People(_Faces):
    """Which of the people of the training part is it: the most alike picture there."""

    name, metric = "people", "rank one"

    def gallery(self, splits: Splits) -> Dataset | None:
        """Everyone of training and validation."""
        both = splits.train.labelled, splits.validation
        images, labels = torch.cat([d.images for d in both]), torch.cat([d.labels for d in both])
        return Dataset(images, labels, splits.train.class_names, splits.train.source, splits.train.licence)

    def row(self, answers: Tensor, test: Dataset, known: Known | None) -> Row:
        """Rank one among `known`."""
        shares = self.merit(self.per_unit(answers, test, known).sum(1))
        error = error_of_share(float(shares.mean()), len(test))
        return _row(self.metric, shares.tolist(), len(test), error, *verification(answers, test.labels))

    def per_unit(self, answers: Tensor, test: Dataset, known: Known | None) -> Tensor:
        """Right, and one, of each image."""
        return _right_of_one(self.per_image(answers, test.labels, known))

    def per_image(self, answers: Tensor, labels: Tensor, known: Known | None) -> Tensor:
        """Whether the most alike picture of `known` shows the same person."""
        if known is None:
            raise OpticsError("who it is can only be told among people who are known; pass their pictures.")
        galleries = known.vectors.expand(len(answers), *known.vectors.shape[1:])
        found = [most_alike(g, known.labels, a) for g, a in zip(galleries, answers, strict=True)]
        return (torch.stack(found) == labels).float()


class Strangers(_Faces):
    """People that training never saw: is the most alike of the other test pictures the same person's."""

    name, metric = "strangers", "rank one"

    def row(self, answers: Tensor, test: Dataset, known: Known | None) -> Row:
        """Rank one among the other test pictures."""
        people = self.per_unit(answers, test, known)
        shares = self.merit(people.sum(1))
        over_people = bootstrapped(people.shape[1], lambda index: self.merit(people[:, index].sum(1)).mean())
        # no less than of pictures that have nothing to do with each other: not 0 where all or none are right
        error = max(float(over_people), error_of_share(float(shares.mean()), len(test)))
        return _row(self.metric, shares.tolist(), len(test), error, *verification(answers, test.labels))

    def per_unit(self, answers: Tensor, test: Dataset, known: Known | None) -> Tensor:
        """Right, and how many, of each person's pictures: the sample is one of people, whose pictures are alike."""
        right = _right_of_one(self.per_image(answers, test.labels, known))
        return torch.stack([right[:, test.labels == person].sum(1) for person in test.labels.unique()], 1)

    def per_image(self, answers: Tensor, labels: Tensor, known: Known | None) -> Tensor:
        """Whether the most alike of the other pictures shows the same person."""
        return torch.stack([_nearest_is_right(a, labels) for a in answers]).float()

    def people(self, labels: Tensor) -> Tensor | None:
        """The labels themselves."""
        return labels


def task_of(splits: Splits, backend: str) -> Task:
    """The task that data and back end make together.

    Args:
        splits: the data.
        backend: kind of the back end: "classifier", "segmenter" or "embedder".

    Raises:
        OpticsError: they do not fit; one line.
    """
    if splits.train.segmentation != (backend == "segmenter"):
        has = "one class per pixel" if splits.train.segmentation else "one class per image"
        fit = "segmenter" if splits.train.segmentation else "classifier or embedder"
        raise OpticsError(f"the data have {has} and student.backend.kind is {backend!r}; choose {fit}.")
    if splits.test.class_names != splits.train.class_names:
        if backend != "embedder":
            raise OpticsError(
                f"the test part shows people that training never sees, and student.backend.kind is {backend!r}; "
                "choose embedder, which compares pictures."
            )
        return Strangers()
    if backend == "embedder":
        return People()
    return Pixels() if backend == "segmenter" else Classes()


# ---------------------------------------------------------------------- figures


def _row(
    metric: str,
    by_draw: list[float],
    images: int,
    error: float,
    figures: dict[str, float],
    errors: dict[str, float],
) -> Row:
    values = torch.tensor(by_draw, dtype=torch.float64)
    return Row(
        metric=metric,
        accuracy=float(values.mean()),
        spread=float(values.std()) if len(values) > 1 else 0.0,
        draws=len(values),
        images=images,
        sampling=error,
        figures=figures,
        errors=errors,
    )


def _image_counts(answers: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Confusion counts of every image, (N, classes, classes), of answers and labels (N, H, W)."""
    return torch.stack([confusion_matrix(a, t, classes) for a, t in zip(answers, labels, strict=True)])


def _mean_iou(counts: Tensor) -> float:
    return float(intersection_over_union(counts).nanmean())


def _right_of_one(right: Tensor) -> Tensor:
    """(draws, N, 2) float64: whether each is right, and one."""
    right = right.double()
    return torch.stack((right, torch.ones_like(right)), -1)


def _nearest_is_right(vectors: Tensor, labels: Tensor) -> Tensor:
    """(N,) float: whether the most alike of the other pictures shows the same person."""
    alike = (vectors @ vectors.mT).fill_diagonal_(-2.0).argmax(1)
    return (labels[alike] == labels).double()


def _embedding(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Inputs to unit vectors: what the network embeds, or where it only knows classes their normalised logits."""
    if hasattr(network, "embed") and hasattr(getattr(network, "backend", network), "embed"):
        return cast(Callable[[Tensor], Tensor], network.embed)
    return lambda x: nn.functional.normalize(network(x))


def _batched(
    network: nn.Module, inputs: Tensor, batch_size: int, answer: Callable[[Tensor], Tensor]
) -> Tensor:
    """`answer` of all inputs, on the network's device, in `eval` mode without gradients; modes stay as they were."""
    device = device_of(network)
    with evaluating(network), torch.no_grad():
        parts = (answer(part.to(device)) for part in inputs.split(batch_size))
        return torch.cat([part.to(inputs.device) for part in parts])
