"""Studies of a bench: what is varied, what a network does there, with the error of every figure.

axes.py               What is varied: `PATH=VALUES` as text, and a bench or a student with another value at a path
cells.py              What a study computes, cell by cell, and the keys by which cells are found again
figure.py             The figure: a panel for each axis, the ranking, the yield
light.py              What cells share: the light
outcomes.py           What a cell gave, in a file of its own: whole or absent
result.py             What a study found, as one value
runners.py            Who does the cells: this process, several of this machine, or a Dask cluster
statistics.py         Shares and their errors: noise draws and the sample of images told apart, differences paired
store.py              A study's files for people and other programs
work.py               The work of a study's folder: cells that share their light, in any process that can see the folder
worker.py             A process that does the cells named on its standard input

`distill.pipeline.study` asks them of a run or a network; `distill.comparison` puts one network on several benches.
"""

from distill.studies.axes import Axis
from distill.studies.result import Flaw, Study
from distill.studies.statistics import Share, difference, share

__all__ = ["Axis", "Flaw", "Share", "Study", "difference", "share"]
