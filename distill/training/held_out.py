"""What a network says of its validation images after each epoch; what frozen optics gives of them is worked out once.

The light of whole pixels of a few thousand images costs as much as a pass over many times more whose samples are
thinned out (`thinning`). Where the masks do not learn, as in a control, it is the same after every epoch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distill.training.teaching import logits
from networks.students.student import Student
from optics.devices import device_of
from optics.modules import evaluating

_MOST = 2**30  # bytes of features that are kept
_BATCH = 256


class HeldOut:
    """The validation images of a training, and what its model answers.

    Args:
        model: what is trained. Of a student before whose back end nothing changes while it trains, features are kept
            and the back end alone is asked; any other model is asked anew each time.
        images: (N, C, H, W).
        most: bytes of features that are kept; where there are more, the model is asked.

    Attributes:
        many: whether there are more.
    """

    def __init__(self, model: nn.Module, images: Tensor, *, most: int = _MOST) -> None:
        self.model, self.images, self.most = model, images, most
        self.many = False
        self._features: Tensor | None = None

    def logits(self) -> Tensor:
        """The model's answers: (N, classes), or (N, classes, H, W); where the images are."""
        model, features = self.model, None
        if isinstance(model, Student) and _is_frozen(model):
            features = self._kept(model)
        if isinstance(model, Student) and features is not None:
            return logits(model.backend, features, _BATCH)
        return logits(model, self.images, _BATCH)

    def forget(self) -> None:
        """The model has other weights, frozen ones too."""
        self._features = None

    def _kept(self, student: Student) -> Tensor | None:
        """What the student's optics gives of these images; None where that is more than may be kept."""
        if self._features is None and not self.many:
            images, device, kept = self.images, device_of(student), None
            with evaluating(student), torch.no_grad():
                for part in images.split(_BATCH):
                    found = student.features(part.to(device)).to(images.device)
                    if kept is None:
                        self.many = found.nbytes * len(images) > self.most * len(found)
                        if self.many:
                            return None
                        kept, done = found.new_empty(len(images), *found.shape[1:]), 0
                    kept[done : done + len(found)] = found
                    done += len(found)
            self._features = kept
        return self._features


def _is_frozen(student: Student) -> bool:
    """Whether its features follow from the images alone: nothing there learns, keeps averages or is added by others."""
    optics = (student.cascade, student.readout)
    values = [value for part in optics for value in part.state_dict(keep_vars=True).values()]
    own = type(student).forward is Student.forward and type(student).features is Student.features
    hooks = student._forward_hooks or student._forward_pre_hooks
    return own and not hooks and not any(v.requires_grad or not isinstance(v, nn.Parameter) for v in values)
