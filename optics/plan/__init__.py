"""Before anything is built: does it fit, how fast, how bright, how much memory.

feasibility.py  Whether one kernel fits a bench: every length compared, and what would do where one does not fit
hints.py        What to know of a bench before it is simulated or built: light too weak for its converter, pixels
                nobody needs
memory.py       How much memory a 4f scene takes, before it is built: the peak of the wave path and of the PSF
                path
planner.py      Does it fit? Kernels of some size on images of some size on a given bench: where, how fast, how
                bright
"""

from optics.plan.memory import peak_memory
from optics.plan.planner import Plan, Schedule, plan

__all__ = ["Plan", "Schedule", "peak_memory", "plan"]
