from . import (
    cli,
    data,
    designs,
    environment,
    export,
    job,
    keeping,
    metrics,
    pipeline,
    progress,
    report,
    studies,
    training,
    verify,
)
from .data.dataset import Dataset, Splits
from .designs.designer import Design, design
from .export.read import Exported, read_export
from .job.config import RunConfig
from .keeping.table import results
from .studies.comparison import compare
from .studies.conduct import study
from .training.checkpoint import load, save
from .training.distillation import DistillationSpec
from .training.evaluation import evaluate, refit_backend
from .training.spec import TrainSpec
from .training.train_loop import train

__all__ = [
    "Dataset",
    "Design",
    "DistillationSpec",
    "Exported",
    "RunConfig",
    "Splits",
    "TrainSpec",
    "cli",
    "compare",
    "data",
    "design",
    "designs",
    "environment",
    "evaluate",
    "export",
    "job",
    "keeping",
    "load",
    "metrics",
    "pipeline",
    "progress",
    "read_export",
    "refit_backend",
    "report",
    "results",
    "save",
    "studies",
    "study",
    "train",
    "training",
    "verify",
]
