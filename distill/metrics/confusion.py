"""How well predictions agree with labels, class by class: confusion matrix, accuracy, intersection over union (IoU).

What has no label (`distill.data.dataset.VOID` or `UNLABELLED`, both below 0) counts nowhere.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optics.checks import ShapeError


def confusion_matrix(predictions: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Counts (classes, classes) int64: row is the true class, column the predicted one, all draws together.

    Args:
        predictions: int64 (draws, N) or (draws, N, H, W), or without the first axis.
        labels: int64 (N,) or (N, H, W).
        classes: how many there are.
    """
    wanted = labels.expand_as(predictions).reshape(-1)
    index = (wanted * classes + predictions.reshape(-1))[wanted >= 0]
    return torch.bincount(index, minlength=classes**2).reshape(classes, classes)


def intersection_over_union(counts: Tensor) -> Tensor:
    """IoU of each class over all images: `true positives / (true positives + false negatives + false positives)`.

    Args:
        counts: (classes, classes) as `confusion_matrix` gives them.

    Returns:
        (classes,) float64 between 0 and 1; nan for a class that neither is nor was predicted anywhere. Source: the
        "segmentation accuracy" of Everingham et al., IJCV 88, 303 (2010), section 4.1.3.
    """
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ShapeError(
            f"counts have shape {tuple(counts.shape)}; expected (classes, classes) from `confusion_matrix`."
        )
    right = counts.diagonal().double()
    return right / (counts.sum(0) + counts.sum(1) - counts.diagonal()).double()


def accuracy(predictions: Tensor, labels: Tensor, classes: int) -> float:
    """One number, 0 to 1: the share of correct predictions (N,), or for pixels (N, H, W) the mean IoU of all classes.

    The share of right pixels would say little: where an object fills 2 % of the pictures, "nothing anywhere" has 98 %.
    """
    if labels.ndim == 1:
        return float(share_right(predictions[None], labels)[0])
    return float(intersection_over_union(confusion_matrix(predictions, labels, classes)).nanmean())


def share_right(predictions: Tensor, labels: Tensor) -> Tensor:
    """Share of correct predictions in every draw, (draws,) float64, of predictions (draws, N) or (draws, N, H, W).

    Images or pixels without a label do not count; where nothing counts, the share is nan.
    """
    counts = labels >= 0
    right = ((predictions == labels) & counts).flatten(1).double().sum(1)
    return right / counts.sum()
