"""A published mask, complex, 1 x 256 x 30 x 30 in two files, zero frequency in the corner: read, shown, proved.

It comes from a network that multiplies discrete spectra, hence convolves in a circle; a bench does not. How far the two
are apart is a number that is told.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

import distill
from distill.data.dataset import Dataset
from distill.export.read import read_export
from distill.export.write import export
from distill.verify.verification import verify
from networks import Student
from networks.cascade.convolution import circular_difference, convolve, mask_of_taps
from networks.students import interchange
from optics.checks import ShapeError
from tests.networks.onbench.test_realisations import WIDE
from tests.scenes import generator, lopsided

GRID, IMAGE = 30, 28
BENCH = WIDE.replace(**{"slm.crosstalk": (0.0, 0.0), "alignment.mask_rotation": 0.0})


def published(folder, count: int):
    """Two files as the published masks are: saved arrays of 1 x count x 1 x 30 x 30, called `.npy`; and the taps."""
    taps = torch.randn(count, 1, 7, 7, dtype=torch.complex64, generator=generator())
    masks = mask_of_taps(taps, (GRID, GRID))
    stored = torch.fft.ifftshift(masks, dim=(-2, -1)).transpose(0, 1).numpy()
    paths = folder / "f123r.npy", folder / "f123i.npy"
    for path, part in zip(paths, (stored.real, stored.imag), strict=True):
        torch.save(part.astype(np.float32)[:, :, None], path, _use_new_zipfile_serialization=False)
    return *paths, taps


@pytest.mark.parametrize("image", [24, 28, 30])
def test_the_difference_of_circular_arithmetic_is_that_of_random_images(image):
    taps = torch.zeros(3, 1, GRID, GRID, dtype=torch.complex64)
    taps[..., 9:20, 13:18] = torch.randn(3, 1, 11, 5, dtype=torch.complex64, generator=generator())
    x = torch.randn(400, 1, image, image, generator=generator(1))
    wide = nn.functional.pad(x, (0, GRID - image, 0, GRID - image))
    around = convolve(wide, taps, boundary="circular")[..., :image, :image]
    apart = (around - convolve(x, taps)).abs().square().sum((0, 2, 3)) / around.abs().square().sum((0, 2, 3))
    told = circular_difference(taps[:, 0], (image, image))
    assert torch.allclose(told.float(), apart.sqrt(), rtol=0.02, atol=1e-5)
    assert (float(told.max()) > 0.1) == (image > 24)  # taps of 6 pixels do not reach around an edge of 6


def test_images_larger_than_the_grid_are_refused():
    with pytest.raises(ShapeError, match="do not fit a grid"):
        circular_difference(torch.zeros(1, 8, 8), (9, 8))


def test_it_is_designed_as_tiles_and_the_difference_is_told(tmp_path):
    real, imag, _ = published(tmp_path, 4)
    shown = lopsided(2, IMAGE, IMAGE)
    made = distill.design(
        real,
        imaginary=imag,
        kind="mask",
        axes="ioyx",
        corner=True,
        bench=BENCH,
        directory=tmp_path / "out",
        tiles=2,
        images=shown,
        compare=False,
        lab=False,
        pictures=1,
        prove=False,
    )
    assert (len(made.masks), made.frames, made.tiles) == (4, 2, 2)
    assert made.circular.grid == (GRID, GRID)
    assert 0.05 < made.circular.uncorrelated <= made.circular.worst < 0.5
    assert 0.01 < made.circular.images < 0.5
    assert json.loads((tmp_path / "out" / "design.json").read_text())["circular"]["grid"] == [GRID, GRID]
    assert list((tmp_path / "out" / "pictures").glob("mask-*.png"))


def test_as_a_network_without_a_back_end_it_is_exported_as_tiles_and_proved(tmp_path):
    real, imag, taps = published(tmp_path, 4)
    read = interchange.read(real, imaginary=imag)
    cascade = interchange.as_cascade(read, kind="mask", axes="ioyx", corner=True, image_shape=(IMAGE, IMAGE))
    x = lopsided(2, 1, IMAGE, IMAGE)
    wide = nn.functional.pad(x, (0, GRID - IMAGE, 0, GRID - IMAGE))
    around = convolve(wide, taps, boundary="circular")[..., :IMAGE, :IMAGE]
    with torch.no_grad():  # centred; off the bench it convolves in its circle
        torch.testing.assert_close(cascade(x), around, rtol=1e-3, atol=1e-3)
    student = Student.build((1, 4), image_shape=(IMAGE, IMAGE), bins=(4, 4), generator=generator())
    student.cascade, student.backend = cascade, nn.Identity()
    network = student.on(BENCH, realisation="tiled", tiles=2).eval()
    data = Dataset((x * 255).round() / 255, torch.arange(2), ("a", "b"), source="made for the tests")
    manifest = export(network, tmp_path / "out", inputs=data, count=2)
    assert len(manifest.slm_frames) == 2
    assert len(manifest.tile_windows) == 2
    assert torch.equal(read_export(tmp_path / "out").levels, network.frames_sent()[0])
    verdict = verify(tmp_path / "out", wave_images=2, lightpipes_images=1, processes=1).judged()
    assert verdict.passed, verdict.line


def test_all_256_are_read():
    masks = torch.zeros(1, 256, 1, GRID, GRID, dtype=torch.complex64)
    masks[..., 0, 0] = 1.0  # zero frequency
    bank = interchange.as_bank(masks, axes="ioyx", corner=True)
    assert bank.shape == (256, 1, GRID, GRID)
    assert bool((bank[..., GRID // 2, GRID // 2] == 1).all())
