"""How well predictions agree with labels.

confusion.py    How well predictions agree with labels, class by class: confusion matrix, accuracy, intersection over
                union (IoU)
recognition.py  How well unit vectors tell people apart: who is it (rank one), and are these two the same
                (verification)
resampling.py   Errors of figures that are no mean over images: by drawing the images, or the people, again
row.py          One row of a table of results: an accuracy, its spread between draws, and how many images stand behind
                it
tasks.py        What a network is asked for, and its row: a class, a class per pixel, who a face is
"""

from distill.metrics.confusion import accuracy, confusion_matrix, intersection_over_union
from distill.metrics.recognition import equal_error_rate, rank_one
from distill.metrics.row import Row, score

__all__ = [
    "Row",
    "accuracy",
    "confusion_matrix",
    "equal_error_rate",
    "intersection_over_union",
    "rank_one",
    "score",
]
