"""The digital twin: a bench's description fitted to what its camera saw.

calibrate.py   From frames to a calibrated bench: search a start, fit the geometry, fit everything, read the noise
derivatives.py How the frames that a bench predicts change with each of its numbers
faults.py      What went wrong with a bench or its frames, read from what a fit leaves
fit.py         Gauss-Newton steps, damped, over the numbers of a bench, with its data sheet as prior
gradient.py    Frames as a differentiable function of a bench's numbers
light.py       The light of one frame through a bench's lenses, and how it changes when a stage does
model.py       Frames that a bench's description predicts, and how they change with each of its numbers
noise.py       How much a frame scatters about its mean, and the gain that this tells
page.py        A page about one calibration: what was found, and pictures
parameters.py  What may be fitted, what the data sheet says of it, and how far it may be wrong
probes.py      What to show a bench so that its frames tell most
result.py      What was found: a bench like every other, an uncertainty on each number, and what was left open
suspects.py    Why frames do not fit: another mounting, another panel
start.py       Where to begin when the bench stands far from its data sheet
values.py      Single numbers inside a bench, by name
"""

from calibration.twin.calibrate import prediction_error
from calibration.twin.faults import Fault
from calibration.twin.fit import Fit
from calibration.twin.gradient import counts_of
from calibration.twin.model import Model
from calibration.twin.parameters import Parameter, Tolerances, bench_parameters
from calibration.twin.result import Combination, Estimate, TwinResult, load_result

__all__ = [
    "Combination",
    "Estimate",
    "Fault",
    "Fit",
    "Model",
    "Parameter",
    "Tolerances",
    "TwinResult",
    "bench_parameters",
    "counts_of",
    "load_result",
    "prediction_error",
]
