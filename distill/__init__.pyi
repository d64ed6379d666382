from . import (
    cli,
    comparison,
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
    searches,
    studies,
    training,
    verify,
)
from .comparison import compare
from .data.dataset import Dataset, Splits
from .designs.designer import Design, design
from .export.read import Exported, read_export
from .job.config import RunConfig
from .keeping.more_controls import add_controls
from .keeping.table import results
from .pipeline.main_job import run
from .pipeline.study import study
from .searches.trials import search
from .training.captured import learning_curve, refit_on_captures
from .training.checkpoint import load, save
from .training.distillation import DistillationSpec
from .training.evaluation import evaluate, refit_backend
from .training.in_the_loop import InTheLoop, train_in_the_loop
from .training.spec import TrainSpec
from .training.train_loop import train

__all__ = [
    "Dataset",
    "Design",
    "DistillationSpec",
    "Exported",
    "InTheLoop",
    "RunConfig",
    "Splits",
    "TrainSpec",
    "add_controls",
    "cli",
    "compare",
    "comparison",
    "data",
    "design",
    "designs",
    "environment",
    "evaluate",
    "export",
    "job",
    "keeping",
    "learning_curve",
    "load",
    "metrics",
    "pipeline",
    "progress",
    "read_export",
    "refit_backend",
    "refit_on_captures",
    "report",
    "results",
    "run",
    "save",
    "search",
    "searches",
    "studies",
    "study",
    "train",
    "train_in_the_loop",
    "training",
    "verify",
]
