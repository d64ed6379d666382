"""Waves on sampled planes: transforms, free space, lenses, stops and what they need of the sampling.

aperture.py             Apertures and field stops, anti-aliased: each sample holds the share of its own area that
                        is open
elements.py             Thin elements in a plane: amplitude, phase and complex masks, field stops, blazed and
                        binary gratings
farfield.py             Propagation by one transform: Fresnel over a long distance, and the 2f lens
fourier.py              Fourier transforms of centred planes: the unitary FFT pair, and transforms onto any window
                        of any pitch
lens.py                 A thin lens: quadratic phase, circular stop, decentre, defocus and Zernike aberrations
pixel_integration.py    Pixel integration: what square pixels of finite size record of a sampled, band-limited
                        signal
propagation.py          Free space by transfer functions (angular spectrum, band-limited, Fresnel), and one
                        function that chooses
rotation.py             Rotation of a sampled plane by shears, each a Fourier shift of lines: unitary, exact
                        within the band
sampling.py             Sampling limits of fields, lenses and free space, and checks whose messages say what would
                        satisfy them
zernike_polynomials.py  Zernike polynomials in Noll's order, orthonormal on the unit disc: coefficients are
                        radians rms
"""

from optics.wave.aperture import circular_aperture, rectangular_aperture
from optics.wave.elements import (
    Mask,
    amplitude_mask,
    binary_grating,
    blazed_grating,
    complex_mask,
    field_stop,
    phase_mask,
)
from optics.wave.farfield import fresnel_pitch, fresnel_transform, lens_transform
from optics.wave.fourier import chirp_z, fft2c, ifft2c, matrix_fourier, window_fourier
from optics.wave.lens import Lens, LensSpec, lens_phase, lens_transmission, thin_lens
from optics.wave.pixel_integration import pixel_weights
from optics.wave.propagation import (
    FreeSpace,
    angular_spectrum,
    band_limited_angular_spectrum,
    choose_propagation,
    fresnel_transfer,
    propagate,
)
from optics.wave.rotation import Rotation, rotate
from optics.wave.zernike_polynomials import noll_to_nm, zernike, zernike_phase

__all__ = [
    "FreeSpace",
    "Lens",
    "LensSpec",
    "Mask",
    "Rotation",
    "amplitude_mask",
    "angular_spectrum",
    "band_limited_angular_spectrum",
    "binary_grating",
    "blazed_grating",
    "chirp_z",
    "choose_propagation",
    "circular_aperture",
    "complex_mask",
    "fft2c",
    "field_stop",
    "fresnel_pitch",
    "fresnel_transfer",
    "fresnel_transform",
    "ifft2c",
    "lens_phase",
    "lens_transform",
    "lens_transmission",
    "matrix_fourier",
    "noll_to_nm",
    "phase_mask",
    "pixel_weights",
    "propagate",
    "rectangular_aperture",
    "rotate",
    "thin_lens",
    "window_fourier",
    "zernike",
    "zernike_phase",
]
