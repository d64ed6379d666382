"""How well answers agree with labels.

overlap.py      How well answers and labels agree, class by class: counts of pairs, and the overlap of areas
recognition.py  How well unit vectors tell people apart: who is it (rank one), and are these two the same
                (verification)
"""

from distill.metrics.overlap import agreement, intersection_over_union
from distill.metrics.recognition import equal_error_rate, rank_one

__all__ = ["agreement", "equal_error_rate", "intersection_over_union", "rank_one"]
