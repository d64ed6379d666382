"""Arrays as other programs store them, one row each; and damage, which ends in one line whatever the format."""

from __future__ import annotations

import tracemalloc
import warnings
import zipfile
import zlib

import h5py
import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat

from networks.students import array_files, matlab
from optics.errors import OpticsError

VALUES = np.arange(12.0).reshape(3, 4) + 1j * np.arange(12.0).reshape(3, 4)[::-1]
REAL = VALUES.real.copy()


def saved(path, value):
    if path.suffix.lower() == ".npy":
        with path.open("wb") as file:
            np.save(file, value)
    elif path.suffix.lower() in (".pt", ".pth"):
        torch.save(value, path)
    elif path.suffix.lower() == ".h5":
        with h5py.File(path, "w") as file:
            for name, array in value.items():
                file[name] = array
    return path


def compound(names):
    pairs = np.zeros(VALUES.shape, [(n, "f8") for n in names])
    pairs[names[0]], pairs[names[1]] = (
        (VALUES.real, VALUES.imag) if names[0].lower()[0] == "r" else (VALUES.imag, VALUES.real)
    )
    return pairs


def mat(path, value, **options):
    savemat(path, value, appendmat=False, **options)
    return path


T = torch.from_numpy
FORMS = {
    "bool .npy": (lambda at: saved(at / "a.npy", REAL > 5), {}, REAL > 5),
    "int .npy": (lambda at: saved(at / "a.npy", REAL.astype(np.int16)), {}, REAL),
    "big-endian .npy": (lambda at: saved(at / "a.npy", VALUES.astype(">c16")), {}, VALUES),
    "Fortran order": (lambda at: saved(at / "a.npy", np.asfortranarray(VALUES)), {}, VALUES),
    "half .npy": (lambda at: saved(at / "a.npy", REAL.astype(np.float16)), {}, REAL),
    "long double .npy": (lambda at: saved(at / "a.npy", REAL.astype(np.longdouble)), {}, REAL),
    "upper case": (lambda at: saved(at / "a.NPY", VALUES), {}, VALUES),
    "state_dict": (
        lambda at: saved(at / "a.pt", {"epoch": 3, "state_dict": {"mask": T(VALUES)}}),
        {"name": "state_dict.mask"},
        VALUES,
    ),
    "nested alone": (lambda at: saved(at / "a.pt", {"model": {"mask": T(VALUES)}}), {}, VALUES),
    "a list": (lambda at: saved(at / "a.pt", [T(VALUES), T(REAL)]), {"name": "1"}, REAL),
    "bfloat16": (lambda at: saved(at / "a.pt", T(REAL).bfloat16()), {}, REAL),
    "bool tensor": (lambda at: saved(at / "a.pth", T(REAL > 5)), {}, REAL > 5),
    "re and im": (lambda at: saved(at / "a.h5", {"m": compound(("re", "im"))}), {}, VALUES),
    "Im and Re": (lambda at: saved(at / "a.h5", {"m": compound(("Im", "Re"))}), {}, VALUES),
    "r and i": (lambda at: saved(at / "a.h5", {"m": compound(("r", "i"))}), {}, VALUES),
    "x.real and x.imag": (lambda at: saved(at / "a.h5", {"x.real": REAL, "x.imag": VALUES.imag}), {}, VALUES),
    ".mat": (lambda at: mat(at / "a.mat", {"m": VALUES}), {}, VALUES),
    ".mat, compressed": (lambda at: mat(at / "a.mat", {"m": VALUES}, do_compression=True), {}, VALUES),
    ".mat, level 4": (lambda at: mat(at / "a.mat", {"m": VALUES}, format="4"), {}, VALUES),
    ".mat, struct": (
        lambda at: mat(at / "a.mat", {"s": {"m": VALUES, "note": "hello"}}),
        {"name": "s.m"},
        VALUES,
    ),
    ".mat, struct alone": (lambda at: mat(at / "a.mat", {"s": {"m": VALUES}}), {}, VALUES),
    ".mat, in structs": (lambda at: mat(at / "a.mat", {"s": {"t": {"m": REAL}}}), {"name": "s.t.m"}, REAL),
    ".mat, bool": (lambda at: mat(at / "a.mat", {"m": REAL > 5}), {}, REAL > 5),
    ".mat, uint8": (lambda at: mat(at / "a.mat", {"m": REAL.astype(np.uint8)}), {}, REAL),
    ".mat, three axes": (lambda at: mat(at / "a.mat", {"m": VALUES[None]}), {}, VALUES[None]),
    ".mat, single": (lambda at: mat(at / "a.MAT", {"m": VALUES.astype(np.complex64)}), {}, VALUES),
}


@pytest.mark.parametrize("form", FORMS)
def test_read_as_other_programs_store_them(form, tmp_path):
    make, options, wanted = FORMS[form]
    found = array_files.read(make(tmp_path), **options)
    wanted = np.asarray(wanted)
    assert found.is_complex() == (wanted.dtype.kind == "c")
    np.testing.assert_array_equal(found.numpy(), wanted)


def test_a_cell_and_the_other_kinds_of_a_matlab_file(tmp_path):
    cell = np.empty((1, 2), object)
    cell[0, 0], cell[0, 1] = VALUES, REAL
    path = mat(tmp_path / "a.mat", {"c": cell, "text": "words"})
    np.testing.assert_array_equal(array_files.read(path, name="c[1]").numpy(), REAL)
    with pytest.raises(OpticsError, match=r"name one of c\[0\], c\[1\]"):
        array_files.read(path)
    with pytest.raises(OpticsError, match="holds no array of numbers: text is text"):
        array_files.read(mat(tmp_path / "b.mat", {"text": "words"}))


def test_our_reader_and_scipy_s_agree(tmp_path):
    rng = np.random.default_rng(0)
    kinds = ("f8", "f4", "c16", "c8", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
    arrays = {f"a{k}": (100 * rng.random((2, k + 1, 3))).astype(kind) for k, kind in enumerate(kinds)}
    for compressed in (False, True):
        path = mat(tmp_path / "a.mat", arrays, do_compression=compressed)
        ours, theirs = matlab.read(path.read_bytes(), what="a").arrays, loadmat(path)
        for name in arrays:
            assert ours[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(ours[name], theirs[name])


# ---------------------------------------------------------------- written


@pytest.mark.parametrize("suffix", array_files.SUFFIXES)
@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.complex128, torch.float64, torch.bool, torch.int32]
)
def test_every_type_is_written_without_loss(tmp_path, suffix, dtype):
    values = (T(VALUES) if dtype.is_complex else T(REAL)).to(dtype)
    path = tmp_path / f"a{suffix.upper()}"
    array_files.write(path, values)
    found = array_files.read(path)
    assert torch.equal(found, values.to(found.dtype))
    if dtype.is_complex:
        assert found.dtype == dtype


def test_lazy_and_odd_tensors(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    array_files.write("~/a.npy", T(VALUES).conj().mT)
    assert torch.equal(array_files.read("~/a.npy"), T(VALUES).conj().mT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that half precision is experimental
        half = T(VALUES).to(torch.complex64).to(torch.complex32)
    array_files.write(tmp_path / "b.npy", half)
    assert torch.equal(array_files.read(tmp_path / "b.npy"), T(VALUES).to(torch.complex64))
    with pytest.raises(OpticsError, match="sparse or quantised"):
        array_files.write(tmp_path / "c.npy", torch.eye(3).to_sparse())


# ---------------------------------------------------------------- damaged


@pytest.mark.parametrize("suffix", [".npy", ".pt"])
def test_a_text_is_not_said_to_hold_code(tmp_path, suffix):
    path = tmp_path / f"bench{suffix}"
    path.write_text('name = "a bench"\n')
    with pytest.raises(OpticsError, match="of another kind"):
        array_files.read(path)
    torch.save(OpticsError("not an array"), path)
    with pytest.raises(OpticsError, match="holds more than arrays"):
        array_files.read(path)


BITS = {  # what was flipped in shared/inputs/damaged-1.mat and -2.mat, on a file of the same kind
    "the type of the real part": lambda data: data[:0xC0] + b"\x99" + data[0xC1:],
    "zeros from the middle": lambda data: data[:0x132] + bytes(len(data) - 0x132),
    "a length of 4 GiB": lambda data: data[:0xC4] + b"\xff\xff\xff\xff" + data[0xC8:],
    "a huge shape": lambda data: data[:0xA8] + b"\xff\xff\xff\x7f\xff\xff\xff\x7f" + data[0xB0:],
    "a negative shape": lambda data: data[:0xA8] + b"\xff\xff\xff\xff" + data[0xAC:],
    "no flags": lambda data: data[:0x88] + b"\x07" + data[0x89:],
    "half": lambda data: data[: len(data) // 2],
    "the header alone": lambda data: data[:128],
    "nothing": lambda data: b"",
    "another file": lambda data: b"\x89PNG" * 60,
}


@pytest.mark.parametrize("bits", BITS)
def test_damaged_matlab_files_end_in_one_line(tmp_path, bits):
    values = np.random.default_rng(0).random((3, 5, 5)) + 1j
    path = mat(tmp_path / "masks.mat", {"masks": values.astype(np.complex64)})
    path.write_bytes(BITS[bits](path.read_bytes()))
    tracemalloc.start()
    with pytest.raises(OpticsError) as error:
        array_files.read(path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    assert "\n" not in str(error.value)
    assert "masks.mat" in str(error.value)


def test_a_compressed_bomb_takes_no_memory(tmp_path):
    path = mat(tmp_path / "a.mat", {"m": np.zeros((30, 30))}, do_compression=True)
    data = path.read_bytes()
    inner = zlib.decompressobj().decompress(data[136:])
    body = zlib.compress(inner[:8] + inner[8:] + bytes(3 * 10**7))
    lying = inner[:4] + (3 * 10**7).to_bytes(4, "little") + inner[8:]
    for bad in (body, zlib.compress(lying + bytes(3 * 10**7))):
        path.write_bytes(data[:128] + (15).to_bytes(4, "little") + len(bad).to_bytes(4, "little") + bad)
        tracemalloc.start()
        with pytest.raises(OpticsError, match=r"unpacks to more than|its shape needs"):
            array_files.read(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
        tracemalloc.stop()


def small(path, shape):
    """A file that says it holds far more than it does."""
    if path.suffix == ".npy":
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f8", "fortran_order": False, "shape": shape}
            )
    elif path.suffix == ".npz":
        small(path.with_suffix(".npy"), shape)
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(path.with_suffix(".npy"), "a.npy")
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("a", shape, "f8", chunks=(64, 64))
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
@pytest.mark.parametrize("shape", [(2**20, 2**20), (10000, 10000)])
def test_what_a_header_promises_is_not_believed(tmp_path, suffix, shape):
    path = small(tmp_path / f"a{suffix}", shape)
    if suffix == ".h5" and shape[0] == 10000:
        return  # 0.8 GB that HDF5 really holds, as zeros
    tracemalloc.start()
    with pytest.raises(OpticsError, match=r"at most|truncated or damaged"):
        array_files.read(path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize("suffix", array_files.SUFFIXES)
def test_damage_anywhere_gives_one_of_our_errors(tmp_path, suffix):
    rng = np.random.default_rng(0)
    path = tmp_path / f"masks{suffix}"
    array_files.write(path, torch.from_numpy(VALUES).to(torch.complex64))
    whole = path.read_bytes()
    for k in range(60):
        bad = bytearray(whole)
        for at in rng.integers(0, len(bad), 3):
            bad[at] = rng.integers(0, 256)
        path.write_bytes(bytes(bad[: rng.integers(0, len(bad))] if k % 3 == 0 else bad))
        try:
            array_files.read(path)
        except OpticsError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 500
