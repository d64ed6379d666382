"""Finished runs as small files that belong into a repository, and the table of several.

kept_run.py  One run kept: its numbers, how it trained, its bench network, a picture, and a manifest with their sha256
more_controls.py  Controls for a kept run whose directory is gone, on the labels alone
table.py     Kept runs side by side: those that differ in their seed alone are one line, with mean and spread
"""

from distill.keeping.kept_run import KeptRun, keep, read_kept
from distill.keeping.more_controls import add_controls
from distill.keeping.table import Line, Table, results

__all__ = ["KeptRun", "Line", "Table", "add_controls", "keep", "read_kept", "results"]
