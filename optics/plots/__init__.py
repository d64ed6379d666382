"""Pictures: a lazy leaf, matplotlib is imported when something is drawn.

charts.py     Charts with error bars: a quantity against what was varied, and bars beside each other
drawings.py   A 4f bench from the side, to scale along its axis, and a sketch without scale that names every plane
page.py       Pages of HTML that need nothing beside themselves: a base in one style, and the parts it is put
              together from (base.html.j2, parts.html.j2)
plots.py      Pictures of planes: matplotlib figures, drawn without a display and without global state
side_view.py  Where the elements of a 4f bench stand and which way its rays go, for a drawing to scale along the
              axis
style.py      The one style of all pictures: colours, sizes, units, legends
"""

from optics.plots.drawings import bench, sketch
from optics.plots.plots import field, frame, levels, mask, psf
from optics.plots.side_view import Layout, layout

__all__ = ["Layout", "bench", "field", "frame", "layout", "levels", "mask", "psf", "sketch"]
