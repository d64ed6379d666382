"""Training and evaluation: losses, the loop that a `kill -9` cannot spoil, rows of the table.

captured.py    Networks and what a bench really gave: back ends fitted to few or many captures
checkpoint.py  Files of weights that never execute anything when read, and are whole or absent
distillation.py  What a teacher does for a student: how much it counts, how soft its answers are, and when
evaluation.py  How well a network does: off the bench, on it over many noise draws, and on it with its back end
               fitted anew
in_the_loop.py The forward pass is the bench's, the backward pass its twin's
held_out.py    What a network says of its validation images; what frozen optics gives of them is worked out once
history.py     The record of a training run: one line per epoch
losses/        What training minimises: one class a term, and their table
processes.py     Several processes that train one model: `torchrun --nproc-per-node 4 -m distill run ...`, on
                 one machine or more
run.py         Everything that changes while a model is trained, and how it is saved
spec.py        How a model is trained
stepping.py    How one step changes the weights: rates, schedule, clipping, a moving average, mixed precision
taps.py        What the parts of a network give while it computes
teaching.py    The teacher as the losses ask it
thinning.py      Fewer samples of the camera's frame in a training step: a bin is the average of many that say
                 nearly the same
trackers.py      Who is told of each epoch of a training: `history.csv` always; TensorBoard, or any callable,
                 where asked for
train_loop.py  Training of teachers and students, epoch by epoch, that a `kill -9` cannot spoil
"""

from distill.training.captured import learning_curve, refit_on_captures
from distill.training.checkpoint import load, load_student, load_teacher, save, save_model
from distill.training.distillation import DecoupledSpec, DistillationSpec, HintSpec, Ramp, TangentSpec
from distill.training.evaluation import evaluate, refit_backend
from distill.training.history import History
from distill.training.in_the_loop import InTheLoop, train_in_the_loop
from distill.training.losses.functions import cross_entropy, dice_loss, distillation_loss
from distill.training.losses.hints import Hint
from distill.training.spec import StepSpec, TrainSpec
from distill.training.train_loop import train

__all__ = [
    "DecoupledSpec",
    "DistillationSpec",
    "Hint",
    "HintSpec",
    "History",
    "InTheLoop",
    "Ramp",
    "StepSpec",
    "TangentSpec",
    "TrainSpec",
    "cross_entropy",
    "dice_loss",
    "distillation_loss",
    "evaluate",
    "learning_curve",
    "load",
    "load_student",
    "load_teacher",
    "refit_backend",
    "refit_on_captures",
    "save",
    "save_model",
    "train",
    "train_in_the_loop",
]
