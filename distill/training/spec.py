"""How a model is trained: the schedule, the images' moves, and what the losses weigh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from distill.data.augmentation import AugmentSpec
from distill.training.distillation import FORMER, DistillationSpec
from optics.spec import Seed, Validated


class TrainSpec(Validated):
    """How a model is trained.

    epochs, batch_size: passes over the training part, images per step. learning_rate: its largest value.
    weight_decay: decoupled for "adamw", added to the gradient for "adam". schedule: "cosine" falls from the
    learning rate to zero, "constant" does not; both rise linearly over the first `warmup` share of all steps.
    augmentation: see `AugmentSpec`; the teacher labels the moved images. distillation: what the teacher does, where
    there is one. light: weight of `losses.peak_loss`, which keeps masks from wasting light. dice: weight of
    `losses.dice_loss`, for labels of pixels, where some classes are small. seed: of the order, the augmentation and
    the noise.

    The distillation's temperature and alpha once stood here and are still read here.
    """

    epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=2e-3, gt=0.0)
    weight_decay: float = Field(default=0.0, ge=0.0)
    optimiser: Literal["adam", "adamw"] = "adamw"
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = Field(default=0.05, ge=0.0, lt=1.0)
    augmentation: AugmentSpec = AugmentSpec()
    distillation: DistillationSpec = DistillationSpec()
    light: float = Field(default=0.0, ge=0.0)
    dice: float = Field(default=0.0, ge=0.0)
    seed: Seed = 0

    @model_validator(mode="before")
    @classmethod
    def _former_place(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not any(name in data for name in FORMER):
            return data
        table, told = dict(data), data.get("distillation", {})
        if not isinstance(told, Mapping) or any(name in data and name in told for name in FORMER):
            return data  # said twice: the key that is not known any more is refused
        return table | {
            "distillation": dict(told) | {name: table.pop(name) for name in FORMER if name in table}
        }
