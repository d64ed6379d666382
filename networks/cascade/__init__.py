"""The strictly linear network (SCLC): spectral convolutions one after another, and their exact collapse.

between.py            The field between the pixels' centres, which a camera sees and a digital convolution does not
binned_patches.py     Binning before mixing: with a linear read-out the camera's bins act on the image or
                      the kernels, not on the maps
cascade.py            A Spectral CNN Linear Counterpart (SCLC): spectral convolutions one after another, strictly
                      linear
collapse.py           Collapsing layers into one: on the taps of small kernels, or on the frequencies of masks
convolution.py        Convolving maps with a bank of kernels: directly, or by transforms where that is cheaper
layer.py              One spectral convolution: `y_o = sum_i h_oi * x_i`, an element of a strictly linear network
minimal_filtering.py  A filter of three taps as four products of half its size
model.py              One interface for what a cascade computes, whichever linear model it is
normalised.py         Normalised, pooled maps of a linear read-out: what the published digits student has behind
                      its cascade
pooled.py             Cascades with spectral pools: the periodic model and the same-size one
pooled_layers.py      Layers with spectral pools between them, evaluated only where their detector looks
pooling.py            Spectral pooling: a stop in the Fourier plane, then fewer samples
separable.py          One real matrix per axis: shifts, resampling by a Fourier-plane stop, binning, and what is
                      left of them in a row
unpooled.py           Cascades without pools: on the kernels' taps or on a grid of masks
"""

from networks.cascade.cascade import Cascade
from networks.cascade.convolution import circular_difference, convolve, mask_of_taps, taps_of_mask
from networks.cascade.layer import SpectralConv2d
from networks.cascade.normalised import NormalisedMaps
from networks.cascade.pooling import spectral_pool

__all__ = [
    "Cascade",
    "NormalisedMaps",
    "SpectralConv2d",
    "circular_difference",
    "convolve",
    "mask_of_taps",
    "spectral_pool",
    "taps_of_mask",
]
