"""Damage in archives: members damaged, renamed to lead elsewhere, made links or devices, lying of their size; bombs.

A bomb is made from a mebibyte of zeros that is compressed once: its compressed form stands there a thousand times.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence

from tests.fuzz.mutations import Mutation, plain

_ZEROS = bytes(2**20)
_MEBIBYTES = (64, 700, 3000)  # of a bomb
_ELSEWHERE = (
    "../../x", "/etc/x", "", ".", "..", "a/../../x", "..\\..\\x", "C:\\x", "\\\\host\\x", "a/./b//c.png", "x" * 300,
    "a/" * 600 + "x", "train", "train/a", "\u202e.png", "a\0b.png", "con.png", "-rf", "set/train/a/0.png", "a\nb.png",
)  # fmt: skip


# ---------------------------------------------------------------------- zip


def with_a_member(inner: Callable[[str], Mutation]) -> Mutation:
    """A zip file with one member changed by the mutation that `inner` gives for its name, or lost, or renamed."""

    def mutate(data: bytes, draw: random.Random) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as source:
                members = [(n, source.read(n)) for n in source.namelist()]
        except (zipfile.BadZipFile, OSError, RuntimeError, ValueError):
            return plain(data, draw)
        i = draw.randrange(len(members))
        name, content = members[i]
        what = draw.randrange(12)
        if what == 0:
            del members[i]
        elif what == 1:
            members[i] = (draw.choice(("", "../x", name + "x", "a/b/c")), content)
        elif what == 2:
            members.append((name, content[: len(content) // 2]))
        else:
            members[i] = (name, inner(name)(content, draw))
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as target:
            for n, d in dict(members).items():
                target.writestr(n or "none", d)
        return out.getvalue()

    return mutate


def zipped(inner: Callable[[str], Mutation]) -> Mutation:
    """A zip archive of pictures with a member damaged, led elsewhere, encrypted, packed otherwise, or a bomb."""
    one = with_a_member(inner)

    def mutate(data: bytes, draw: random.Random) -> bytes:
        what = draw.randrange(9)
        if what < 3:
            return one(data, draw)
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as source:
                members = [(entry, source.read(entry)) for entry in source.infolist()]
        except (zipfile.BadZipFile, OSError, RuntimeError, ValueError):
            return plain(data, draw)
        entry, content = draw.choice(members)
        if what == 3:
            entry.filename = draw.choice(_ELSEWHERE)
        elif what == 4:  # what Unix notes of a link
            entry.external_attr = draw.choice((0o120777, 0o020666, 0o010644, 0o040755)) << 16
        elif what == 5:
            entry.compress_type = draw.choice((zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_STORED))
        elif what == 6:
            members.append((entry, content))
        out = io.BytesIO()
        try:
            with zipfile.ZipFile(out, "w") as target:
                for e, c in members:
                    target.writestr(e, c)
        except (ValueError, OverflowError, struct.error, UnicodeError):
            return plain(data, draw)
        made = out.getvalue()
        if what == 7:
            return _with_bomb(draw.choice(_MEBIBYTES), draw.choice((1.0, 1.0, 1e-6)), draw)
        return _field(made, draw) if what == 8 else made

    return mutate


def _field(data: bytes, draw: random.Random) -> bytes:
    """A number in the table of contents changed: flags, way of packing, sizes, lengths, where a member begins."""
    starts = [i for i in range(len(data) - 46) if data[i : i + 4] == b"PK\1\2"]
    if not starts:
        return plain(data, draw)
    at, size = draw.choice(((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4)))
    value = draw.choice((0, 1, 8, 9, 12, 14, 99, 0xFFFF, 2**31, 2**32 - 1)) % (1 << 8 * size)
    place = draw.choice(starts) + at
    return data[:place] + value.to_bytes(size, "little") + data[place + size :]


def _with_bomb(mebibytes: int, told: float, draw: random.Random) -> bytes:
    """A zip archive whose only member is zeros; its header tells a part of their number."""
    packed, size = _deflated() * mebibytes + b"\x03\0", mebibytes * len(_ZEROS)
    crc, name = 0 if draw.random() < 0.5 else _crc(mebibytes), b"train/a/0.png"
    size = int(size * told)
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, len(packed), size, len(name), 0)
    local = b"PK\3\4" + common + name + packed
    entry = b"PK\1\2" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    return local + entry + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(local), 0)


@functools.cache
def _deflated() -> bytes:
    machine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return machine.compress(_ZEROS) + machine.flush(zlib.Z_FULL_FLUSH)


@functools.cache
def _crc(mebibytes: int) -> int:
    found = 0
    for _ in range(mebibytes):
        found = zlib.crc32(_ZEROS, found)
    return found


# ---------------------------------------------------------------------- tar

_PACKERS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", lambda data: gzip.compress(data, 1)),
    (b"BZh", bz2.compress),
    (b"\xfd7zXZ\0", lambda data: lzma.compress(data, preset=0)),
)


def tarred(inner: Callable[[str], Mutation]) -> Mutation:
    """A tar archive, packed as before, with a member damaged, led elsewhere, a link, lying of its size, or a bomb."""

    def mutate(data: bytes, draw: random.Random) -> bytes:
        pack = next((p for magic, p in _PACKERS if data.startswith(magic)), bytes)
        try:
            with tarfile.open(fileobj=io.BytesIO(data)) as source:
                members = [(m, source.extractfile(m).read()) for m in source if m.isfile()]  # type: ignore[union-attr]
            return _damaged(members, inner, pack, draw)
        except (
            tarfile.TarError,
            OSError,
            EOFError,
            ValueError,
            OverflowError,
            IndexError,
            zlib.error,
            lzma.LZMAError,
        ):
            return plain(data, draw)

    return mutate


def _damaged(
    members: list[tuple[tarfile.TarInfo, bytes]],
    inner: Callable[[str], Mutation],
    pack: Callable[[bytes], bytes],
    draw: random.Random,
) -> bytes:
    member, content = draw.choice(members)
    what = draw.randrange(10)
    if what < 2:
        member.name = draw.choice((*_ELSEWHERE, "data_batch_1"))
    elif what == 2:
        kinds = (
            tarfile.SYMTYPE,
            tarfile.LNKTYPE,
            tarfile.CHRTYPE,
            tarfile.FIFOTYPE,
            tarfile.DIRTYPE,
            b"x",
            b"S",
        )
        member.type = draw.choice(kinds)
        member.linkname = draw.choice(("/dev/zero", "../../..", "test_batch.bin", member.name))
    elif what == 3:
        members = [(m, c) for m, c in members if m is not member]
    elif what == 4:
        odd = (
            "size",
            "path",
            "GNU.sparse.major",
            "GNU.sparse.map",
            "GNU.sparse.realsize",
            "hdrcharset",
            "mtime",
        )
        value = draw.choice(
            ("99999999999999999999", "-1", "0,9999999999999", "1", "nan", "x", "../../x", "\0")
        )
        member.pax_headers = {draw.choice(odd): value}
    elif what > 6:
        changed = (inner(member.name) if draw.random() < 0.5 else plain)(content, draw)
        members = [(m, changed if m is member else c) for m, c in members]
    whole = _whole(members)
    if what == 5:  # a length or a kind in a header, its checksum right
        return pack(_header(whole, draw) + whole[512:])
    if what == 6:
        return _bomb(whole, pack, draw)
    return pack(whole)


_LENGTHS = (b"77777777777\0", b"00000000000\0", b"\x80" + b"\xff" * 11, b"\xff" * 12)


def _header(whole: bytes, draw: random.Random) -> bytes:
    head = bytearray(whole[:512])
    head[124:136] = draw.choice((*_LENGTHS, bytes(head[124:136])))
    head[156:157] = draw.choice((b"0", b"0", b"x", b"g", b"L", b"K", b"S", b"D", b"\0"))
    return _summed(head)


def _summed(head: bytearray) -> bytes:
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def _bomb(whole: bytes, pack: Callable[[bytes], bytes], draw: random.Random) -> bytes:
    """A first member of zeros, which may be one of the headers that are read whole."""
    mebibytes = draw.choice(_MEBIBYTES)
    head = bytearray(whole[:512])
    head[124:136] = b"%011o\0" % (mebibytes * len(_ZEROS))
    head[156:157] = draw.choice((b"0", b"x", b"g", b"L"))
    if pack is bytes:
        return _summed(head) + _ZEROS + whole
    return pack(_summed(head)) + _packed(pack) * mebibytes + pack(whole)


@functools.cache
def _packed(pack: Callable[[bytes], bytes]) -> bytes:
    return pack(_ZEROS)


def _whole(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as target:
        for member, content in members:
            member.size = len(content) if member.isfile() else 0
            target.addfile(member, io.BytesIO(content))
    return out.getvalue()
