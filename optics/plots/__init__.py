"""Pictures: a lazy leaf, matplotlib is imported when something is drawn.

charts.py     Charts with error bars: a quantity against what was varied, and bars beside each other
plots.py      Pictures of planes and benches: matplotlib figures, drawn without a display and without global state
side_view.py  Where the elements of a 4f bench stand and which way its rays go, for a drawing to scale along the
              axis
"""

from optics.plots.plots import bench, field, frame, levels, mask, psf
from optics.plots.side_view import Layout, layout

__all__ = ["Layout", "bench", "field", "frame", "layout", "levels", "mask", "psf"]
