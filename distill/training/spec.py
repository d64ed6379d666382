"""How a model is trained: the schedule, the images' moves, and what the losses weigh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from distill.data.augmentation import AugmentSpec
from distill.training.distillation import FORMER, DistillationSpec
from optics.spec import Seed, Validated


class StepSpec(Validated):
    """How one step changes the weights.

    accumulate: batches whose gradients make one step. clip: largest norm of the whole gradient; a larger one is scaled
    down to it; none without (Pascanu et al., ICML 2013). precision: "bf16" computes the electronics, not the optics,
    and a teacher's answers for moved images in bfloat16 where that is safe (`torch.autocast`); weights and losses stay
    float32. On a processor without such products it is float32 throughout. ema: decay of a moving average
    of the weights, such as 0.999, which is what is validated and kept; 0 is off. It begins with the smaller decay
    `(1 + n) / (10 + n)` of the n-th step, so that the first values are forgotten. rates: learning rates of parts as
    shares of the whole, such as `{ optics = 0.3 }`; a part is a name within the parameters' dotted names, "optics"
    the cascade. every: of the samples of the camera's pixels, an intensity read-out computes every n-th in either axis,
    another grid of them in each step, until the last steps, which computes all: up to n^2 times as fast. See
    `distill.training.thinning`.
    """

    accumulate: int = Field(default=1, ge=1)
    clip: float | None = Field(default=None, gt=0.0)
    precision: Literal["float32", "bf16"] = "float32"
    ema: float = Field(default=0.0, ge=0.0, lt=1.0)
    rates: dict[str, Annotated[float, Field(ge=0.0)]] = Field(default_factory=dict)
    every: int = Field(default=1, ge=1, le=16)


class TrainSpec(Validated):
    """How a model is trained.

    epochs, batch_size: passes over the training part, images per step. learning_rate: its largest value.
    weight_decay: decoupled for "adamw", added to the gradient for "adam". schedule: "cosine" falls from the
    learning rate to zero, "constant" does not; both rise linearly over the first `warmup` share of all steps.
    augmentation: see `AugmentSpec`; the teacher labels the moved images. distillation: what the teacher does, where
    there is one. label_smoothing: share of a label that goes to all classes alike. light: weight of
    `losses.peak_loss`, which keeps masks from wasting light. dice: weight of `losses.dice_loss`, for labels of pixels,
    where some classes are small. patience: stop after so many epochs that do not raise the best validation accuracy
    (or lower its loss at that accuracy); none without. step: see `StepSpec`. seed: of the order, the augmentation and
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
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=1.0)
    light: float = Field(default=0.0, ge=0.0)
    dice: float = Field(default=0.0, ge=0.0)
    patience: int | None = Field(default=None, ge=1)
    step: StepSpec = StepSpec()
    seed: Seed = 0

    @property
    def moves(self) -> AugmentSpec:
        """What happens to a training image that a teacher sees too: with the mixing that function matching asks for.

        A training on the labels alone has `augmentation` as it stands: labels that are mixed as strongly as a teacher
        can bear make a network worse, and a gain over it would be none.
        """
        mixes = self.distillation.function_matching and self.augmentation.mixup == 0
        return self.augmentation.replace(mixup=1.0) if mixes else self.augmentation

    @model_validator(mode="after")
    def _fitting(self) -> TrainSpec:
        if self.distillation.decoupled is not None and self.moves.mixup > 0:
            raise ValueError(
                "distillation.decoupled asks for one label an image, and augmentation.mixup (or "
                "distillation.function_matching) mixes two; leave one of them out"
            )
        return self

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
