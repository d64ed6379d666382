"""Downloads, from a server on this machine: the right file is kept once, a wrong one never."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading

import pytest

from distill.data.download import SETS, Remote, fetch
from optics.checks import OpticsError

CONTENT = b"digits" * 20000


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        pass


@pytest.fixture
def address(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "file.bin").write_bytes(CONTENT)
    handler = functools.partial(Quiet, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_fetched_once_and_checked(address, tmp_path):
    seen = []
    remote = Remote(f"{address}/file.bin", hashlib.sha256(CONTENT).hexdigest(), "kept.bin")
    path = fetch(remote, tmp_path / "cache", progress=lambda done, size: seen.append((done, size)))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    (tmp_path / "site" / "file.bin").unlink()
    assert fetch(remote, tmp_path / "cache") == path  # not asked for again
    path.write_bytes(b"spoilt")
    with pytest.raises(OpticsError, match="cannot be downloaded"):
        fetch(remote, tmp_path / "cache")


def test_another_sha256_is_not_kept(address, tmp_path):
    remote = Remote(f"{address}/file.bin", "0" * 64, "kept.bin")
    with pytest.raises(OpticsError, match=r"sha256 .*, expected 0000"):
        fetch(remote, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_offline_says_what_to_do(tmp_path):
    remote = Remote("http://127.0.0.1:9/file.bin", "0" * 64, "kept.bin")
    with pytest.raises(OpticsError, match=r"cannot be downloaded .*put the file at .*kept\.bin.*'digits'"):
        fetch(remote, tmp_path / "cache", timeout=2)
    assert list((tmp_path / "cache").iterdir()) == []


def test_published_digests_are_whole():
    for remotes in SETS.values():
        for remote in remotes:
            assert len(remote.sha256) == 64
            assert remote.url.startswith("https://")
