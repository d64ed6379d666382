"""One network on several benches: what differs between them, and one page that says what it means.

comparison.py  `distill.compare`: one network on several benches, with what differs between them and what that means
page.py        The figure and the page of a comparison: what a supervisor looks at
"""

from distill.comparison.comparison import Compared, Comparison, compare

__all__ = ["Compared", "Comparison", "compare"]
