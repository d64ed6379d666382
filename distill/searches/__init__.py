"""Sizes of a student within a budget: which masks, kernels, bins and electronics are worth their operations.

space.py   the choices around a run file's student, and the run file that a choice makes
trials.py  trials by Optuna, the front of accuracy against operations and exposures, and its files
"""

from distill.searches.space import Space
from distill.searches.trials import Search, Trial, search

__all__ = ["Search", "Space", "Trial", "search"]
