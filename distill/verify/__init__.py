"""The exported directory alone, through the wave path and through LightPipes.

lightpipes.py       A 4f bench plane by plane in LightPipes, a physics engine that this project did not write
lightpipes_grid.py  Where the elements of a 4f bench lie on the periodic square grid of LightPipes: one sample per
                    SLM pixel
older.py            Exports of older versions: what was different when their counts were computed, so that these
                    are compared alike
point_sources.py    A design, which has no network: do its frames make the point-spread functions that were predicted?
reference_panel.py  What an SLM shows for the levels it is sent, computed a second time by other means than
                    `optics.slm.panel`
scenes.py           A network's way onto a bench, put together from the systems of a simulator: levels and
                    images in, photons out
simulators.py       Two ways to carry light through a 4f bench plane by plane: this project's wave path, and
                    LightPipes
verdict.py          What the two engines found, and whether that is a proof: limits, the verdict by them, and the
                    likely causes of a failure
verification.py     Does what was exported work? The directory alone is read, and its SLM frames go through two
                    physics engines
"""

from distill.verify.lightpipes import LightPipesBench
from distill.verify.verdict import Limits, Verdict, Verification
from distill.verify.verification import verify

__all__ = ["LightPipesBench", "Limits", "Verdict", "Verification", "verify"]
