"""CIFAR's python batches: read as data, whatever wrote them; nothing in a file can run."""

from __future__ import annotations

import os
import pickle
import pickletools

import numpy as np
import pytest

from distill.data import pickled
from optics.errors import OpticsError

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 12), dtype=np.uint8)
BATCH = {
    b"data": PIXELS,
    b"labels": [3, 1, 300, 70000, 0],
    b"batch_label": b"one",
    b"filenames": [b"a.png"] * 5,
}


def python2(pixels: np.ndarray, labels: list[int]) -> bytes:
    """A batch as Python 2 wrote it: strings without a kind, the names of NumPy of those days."""
    raw = pixels.tobytes()
    out = b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04"
    out += b"K\x00\x85U\x01b\x87Rq\x05(K\x01K" + bytes([pixels.shape[0]]) + b"M"
    out += pixels.shape[1].to_bytes(2, "little") + b"\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07("
    out += (
        b"K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + len(raw).to_bytes(4, "little") + raw
    )
    out += b"tbU\x06labelsq\x08]q\x09(" + b"".join(b"K" + bytes([v]) for v in labels) + b"eu."
    return out


def test_a_batch_of_python_2():
    data = python2(PIXELS, [3, 1, 4, 1, 5])
    assert list(pickle.loads(data, encoding="bytes")[b"labels"]) == [3, 1, 4, 1, 5]  # it is a real one
    found = pickled.load(data, name="x")
    assert (found[b"data"] == PIXELS).all()
    assert found[b"labels"] == [3, 1, 4, 1, 5]


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_batches_of_python_3(protocol, order):
    batch = BATCH | {b"data": np.asarray(PIXELS, order=order)}
    found = pickled.load(pickle.dumps(batch, protocol), name="x")
    assert (found[b"data"] == PIXELS).all()
    assert {k: v for k, v in found.items() if k != b"data"} == {
        k: v for k, v in BATCH.items() if k != b"data"
    }


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


class Setter:
    def __init__(self):
        self.x = 1


MALICIOUS = {
    "a function": (pickle.dumps({b"data": Bomb()}, 2), r"asks for 'posix.mkdir'|asks for 'nt.mkdir'"),
    "a function by stack": (pickle.dumps(Bomb(), 4), "only files that need no code"),
    "a class": (pickle.dumps(Setter(), 2), "asks for 'copy_reg|asks for"),
    "builtins": (b"\x80\x02cbuiltins\neval\nU\x011\x85R.", "asks for 'builtins.eval'"),
    "an object": (b"\x80\x02(cbuiltins\neval\noR.", "only files that need no code|instruction OBJ"),
    "an instance": (b"(S'1'\nios\nsystem\n.", "instruction INST"),
    "dtype of objects": (
        b"\x80\x02cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R.",
        "calls something that makes no array",
    ),
    "an array called": (b"\x80\x02cnumpy\nndarray\nK\x05\x85R.", "calls something that makes no array"),
    "a codec": (b"\x80\x02c_codecs\nencode\nX\x01\0\0\0aX\x03\0\0\0zip\x86R.", "calls something"),
    "an extension": (b"\x80\x02\x82\x01.", "instruction EXT1"),
    "a persistent name": (b"Pabc\n.", "instruction PERSID"),
}


@pytest.mark.parametrize("case", MALICIOUS)
def test_nothing_runs(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, said = MALICIOUS[case]
    with pytest.raises(OpticsError, match=said):
        pickled.load(data, name="x")
    assert list(tmp_path.iterdir()) == []


def test_a_huge_array_is_refused_before_memory():
    data = python2(PIXELS, [1])
    head = data.index(b"K\x01K\x05M")
    data = data[:head] + b"K\x01J\xff\xff\xff\x7fJ\xff\xff\xff\x7f" + data[head + 7 :]
    with pytest.raises(OpticsError, match="at most"):
        pickled.load(data, name="x")


def test_damage_anywhere_gives_one_of_our_errors():
    rng = np.random.default_rng(0)
    for data in (python2(PIXELS, [1, 2, 3]), pickle.dumps(BATCH, 2), pickle.dumps(BATCH, 4)):
        assert list(pickletools.genops(data))
        for cut in range(0, len(data) - 1, 7):
            with pytest.raises(OpticsError):
                pickled.load(data[:cut], name="x")
        for _ in range(500):
            bad = bytearray(data)
            bad[rng.integers(0, len(bad))] = rng.integers(0, 256)
            try:
                pickled.load(bytes(bad), name="x")
            except OpticsError as error:
                assert "\n" not in str(error)
