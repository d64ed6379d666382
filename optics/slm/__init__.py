"""The spatial light modulator: its data sheet, what its pixels do, and how it can show a complex mask.

diffraction_order.py  What one diffraction order of a panel carries: how much light, and how faithful to the mask
direct_design.py      Direct design: the phase found by gradient through the whole device, and the table that
                      compares all encodings
encoding.py           A complex mask on a panel that cannot show it: what to show so that one diffraction order
                      carries the mask
fringing_exact.py     The fringing field's mean over a pixel by a fine quadrature: slow, and exact where the quick
                      rules are not
fringing_field.py     Fringing-field crosstalk: the phase of a pixel bleeds into its neighbours, more along one
                      axis than along the other
fringing_narrow.py    Narrow fringing fields: the mean phasor of a pixel that bleeds into its nearest neighbours
                      only, by products
level_search.py       Which level's value is nearest: a table of levels made ready once, and asked for every
                      pixel of every step
panel.py              A spatial light modulator: from what a pixel should do to what it does. Ideal and real by
                      the same code
response.py           The response of a modulator: which phase (or amplitude) a level really gives, and which
                      level to send for a phase
ripple.py             The ripple of a liquid-crystal panel: its phase swings about mid drive while the camera
                      exposes
spec.py               What a spatial light modulator is: its data sheet and its flaws, validated
special_functions.py  Inverses that encodings need: of sinc and the Bessel function J1 on their first branch,
                      arccos, modulus and angle
subpixel.py           Several samples per SLM pixel, and several SLM pixels per mask sample
"""

from optics.slm.diffraction_order import OrderQuality, Window, measure_order
from optics.slm.direct_design import encoding_table, optimise_phase
from optics.slm.encoding import EncodingSpec, encode, methods
from optics.slm.fringing_exact import exact_reflectance
from optics.slm.panel import SLM
from optics.slm.response import ResponseSpec
from optics.slm.spec import SLMSpec
from optics.slm.subpixel import fine_reflectance, superpixels

__all__ = [
    "SLM",
    "EncodingSpec",
    "OrderQuality",
    "ResponseSpec",
    "SLMSpec",
    "Window",
    "encode",
    "encoding_table",
    "exact_reflectance",
    "fine_reflectance",
    "measure_order",
    "methods",
    "optimise_phase",
    "superpixels",
]
