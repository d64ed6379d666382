"""Masks and kernels of other programs."""

from __future__ import annotations

import pickle

import h5py
import numpy as np
import pytest
import torch

from networks.cascade.convolution import convolve, mask_of_taps, taps_of_mask
from networks.students import interchange
from optics.checks import OpticsError, ShapeError
from tests.scenes import generator


class Bomb:
    """Unpickling this ends the interpreter."""

    def __reduce__(self):
        return (exit, (3,))


@pytest.mark.parametrize("suffix", interchange.SUFFIXES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_every_format_gives_back_what_was_written(tmp_path, suffix, dtype):
    values = torch.randn(3, 2, 4, 5, dtype=dtype, generator=generator())
    path = tmp_path / f"masks{suffix}"
    interchange.write(path, values)
    read = interchange.read(path)
    assert read.dtype == dtype
    torch.testing.assert_close(read, values, rtol=0, atol=0)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]  # nothing temporary is left


def test_named_arrays_and_two_parts(tmp_path):
    real, imag = torch.randn(2, 3, 4, 4, generator=generator())
    expected = torch.complex(real, imag)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["group/real"], file["group/imag"], file["text"] = real.numpy(), imag.numpy(), "words"
    torch.save({"re": real, "im": imag}, tmp_path / "a.pt")
    np.save(tmp_path / "re.npy", real.numpy()), np.save(tmp_path / "im.npy", imag.numpy())
    for value in (
        interchange.read(tmp_path / "a.h5", name="group/real", imaginary="group/imag"),
        interchange.read(tmp_path / "a.pt", imaginary="im"),
        interchange.read(tmp_path / "re.npy", imaginary=tmp_path / "im.npy"),
    ):
        torch.testing.assert_close(value, expected)
    with pytest.raises(OpticsError, match="group/imag, group/real"):
        interchange.read(tmp_path / "a.h5")
    with pytest.raises(OpticsError, match="no array 'masks'"):
        interchange.read(tmp_path / "a.h5", name="masks")


def test_matlab_7_3_files_have_their_axes_backwards(tmp_path):
    values = np.arange(24.0).reshape(2, 3, 4) + 1j
    pairs = np.zeros((4, 3, 2), dtype=[("real", "f8"), ("imag", "f8")])
    pairs["real"], pairs["imag"] = np.transpose(values.real), np.transpose(values.imag)
    path = tmp_path / "m.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["masks"] = pairs
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(128))
    torch.testing.assert_close(interchange.read(path), torch.from_numpy(values))


def published(tmp_path, values: np.ndarray):
    """Two files as the published masks are: saved NumPy arrays of 1 x 256 x 1 x 30 x 30, called `.npy`."""
    paths = tmp_path / "f123r.npy", tmp_path / "f123i.npy"
    for path, part in zip(paths, (values.real, values.imag), strict=True):
        torch.save(part.astype(np.float32)[:, :, None], path, _use_new_zipfile_serialization=False)
    return paths


def test_a_published_mask_is_read_shown_and_written(tmp_path):
    taps = torch.randn(256, 1, 7, 7, dtype=torch.complex64, generator=generator())
    masks = mask_of_taps(taps, (30, 30))  # centred, (out, in, 30, 30)
    stored = torch.fft.ifftshift(masks, dim=(-2, -1)).transpose(
        0, 1
    )  # 1 x 256 x 30 x 30, origin in the corner
    real, imag = published(tmp_path, stored.numpy())
    read = interchange.read(real, imaginary=imag)
    assert read.shape == (1, 256, 1, 30, 30)
    cascade = interchange.as_cascade(
        read, kind="mask", axes="ioyx", corner=True, image_shape=(24, 24), boundary="zero"
    )
    torch.testing.assert_close(cascade.collapse((30, 30)), masks, rtol=1e-4, atol=1e-4)
    x = torch.rand(2, 1, 24, 24, generator=generator(1))
    torch.testing.assert_close(cascade(x), convolve(x, taps), rtol=1e-4, atol=1e-4)
    shown = taps_of_mask(cascade.collapse((30, 30)))
    torch.testing.assert_close(shown[..., 12:19, 12:19], taps, rtol=1e-4, atol=1e-4)
    interchange.write(tmp_path / "masks.h5", cascade.collapse((30, 30)))
    again = interchange.as_cascade(
        interchange.read(tmp_path / "masks.h5"), kind="mask", corner=False, image_shape=(24, 24)
    )
    torch.testing.assert_close(again(x), cascade(x))


def test_a_published_mask_goes_on_a_bench(tmp_path):
    from networks.students.student import Student
    from optics.bench.files import load_bench

    taps = 0.1 * torch.randn(3, 1, 5, 5, dtype=torch.complex64, generator=generator())
    read = torch.fft.ifftshift(mask_of_taps(taps, (36, 36)), dim=(-2, -1)).transpose(0, 1)
    cascade = interchange.as_cascade(read, kind="mask", axes="ioyx", corner=True, image_shape=(18, 18))
    student = Student.build((1, 3), image_shape=(18, 18), bins=(6, 6), generator=generator())
    student.cascade = cascade
    network = student.on(load_bench("pluto2-200mm").ideal()).eval()
    x = torch.rand(2, 1, 18, 18, generator=generator(1))
    with torch.no_grad():
        seen, expected = network.features(x), student.features(x)
    assert float((seen - expected).norm() / expected.norm()) < 0.2  # display pixels are areas, not points
    one = torch.corrcoef(torch.stack((seen.flatten(), expected.flatten())))[0, 1]
    assert one > 0.98


@pytest.mark.parametrize("size", [(3, 3), (6, 6), (5, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64])
def test_kernels_of_any_size_keep_their_origin(size, dtype):
    kernels = torch.randn(3, 2, *size, dtype=dtype, generator=generator())
    cascade = interchange.as_cascade(kernels, kind="kernel", image_shape=(9, 8))
    x = torch.rand(2, 2, 9, 8, generator=generator(1))
    torch.testing.assert_close(cascade(x), convolve(x, kernels).to(torch.complex64), rtol=1e-4, atol=1e-5)


def test_shapes_are_read_as_out_in_y_x():
    for shape, expected in (
        ((4, 5), (1, 1, 4, 5)),
        ((3, 4, 5), (3, 1, 4, 5)),
        ((3, 2, 1, 4, 5), (3, 2, 4, 5)),
        ((3, 2, 4, 5), (3, 2, 4, 5)),
    ):
        assert interchange.as_bank(torch.zeros(shape)).shape == expected
    assert interchange.as_bank(torch.zeros(1, 256, 1, 30, 30), axes="ioyx").shape == (256, 1, 30, 30)
    with pytest.raises(ShapeError, match=r"\(7,\)"):
        interchange.as_bank(torch.zeros(7))
    with pytest.raises(OpticsError, match="ioyx"):
        interchange.as_bank(torch.zeros(1, 2, 3, 4), axes="yxoi2")
    with pytest.raises(OpticsError, match="finite"):
        interchange.as_bank(torch.full((4, 4), torch.nan))
    with pytest.raises(ShapeError, match="smaller than the image"):
        interchange.as_cascade(torch.ones(8, 8), kind="mask", corner=False, image_shape=(9, 9))
    with pytest.raises(OpticsError, match="choose one of mask, phase, kernel, panel"):
        interchange.as_cascade(torch.ones(8, 8), kind="psf", image_shape=(8, 8))


def test_files_that_would_execute_something_are_refused(tmp_path):
    (tmp_path / "bomb.pt").write_bytes(pickle.dumps(Bomb()))
    torch.save({"mask": Bomb()}, tmp_path / "new.pt")
    np.save(tmp_path / "object.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "bomb.npy").write_bytes(pickle.dumps(Bomb()))
    for name in ("bomb.pt", "new.pt", "object.npy", "bomb.npy"):
        with pytest.raises(OpticsError) as error:
            interchange.read(tmp_path / name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", interchange.SUFFIXES)
def test_damaged_files_give_one_line(tmp_path, suffix):
    path = tmp_path / f"masks{suffix}"
    interchange.write(path, torch.randn(3, 2, 14, 15, generator=generator()))
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(OpticsError) as error:
        interchange.read(path)
    assert "\n" not in str(error.value)
    with pytest.raises(OpticsError, match="check the path"):
        interchange.read(tmp_path / f"absent{suffix}")
    with pytest.raises(OpticsError, match="safetensors"):
        interchange.write(tmp_path / "masks.txt", torch.zeros(2, 2))
