"""Downloads, from a server on this machine: the right file is kept once, a wrong one never, what broke off goes on."""

from __future__ import annotations

import hashlib
import http.server
import threading

import pytest

from distill.data import download
from distill.data.download import SETS, Remote, fetch
from optics.checks import OpticsError

CONTENT = bytes(range(256)) * 600
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Gives `content`; `ranges`: as asked for; `most`: breaks off after so many bytes. Notes what was asked for."""

    content: bytes = CONTENT
    ranges = True
    most: int | None = None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    def remote(self, name="file.bin", sha256=DIGEST):
        return Remote(f"http://127.0.0.1:{self.server_address[1]}/{name}", sha256, "kept.bin")


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_args):
        pass

    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        if self.path != "/file.bin":
            return self.send_error(404)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
        if start >= len(server.content):
            return self.send_error(416)
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if server.most is None else body[: server.most])


@pytest.fixture
def server():
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.02,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def kept(folder):
    return sorted(p.name for p in folder.iterdir())


def test_fetched_once_and_checked(server, tmp_path):
    seen = []
    path = fetch(server.remote(), tmp_path, progress=lambda done, size: seen.append((done, size)))
    assert path.read_bytes() == CONTENT
    assert kept(tmp_path) == ["kept.bin"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert fetch(server.remote(), tmp_path) == path
    assert len(server.asked) == 1
    path.write_bytes(b"spoilt")
    assert fetch(server.remote(), tmp_path).read_bytes() == CONTENT


def test_what_broke_off_goes_on_where_it_was(server, tmp_path):
    server.most = 1000
    with pytest.raises(OpticsError, match=r"broke off after 1000 of 153600 bytes\. The same command goes on"):
        fetch(server.remote(), tmp_path)
    assert kept(tmp_path) == ["kept.bin.part"]
    with pytest.raises(OpticsError, match="after 2000 of 153600"):
        fetch(server.remote(), tmp_path)
    server.most = None
    seen = []
    path = fetch(server.remote(), tmp_path, progress=lambda done, size: seen.append((done, size)))
    assert path.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-", "bytes=2000-"]
    assert seen[0][0] > 2000
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert kept(tmp_path) == ["kept.bin"]


def test_a_server_that_knows_no_ranges_begins_anew(server, tmp_path):
    (tmp_path / "kept.bin.part").write_bytes(CONTENT[:5000])
    server.ranges = False
    assert fetch(server.remote(), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"another file" * 100, CONTENT + b"more", CONTENT])
def test_a_part_of_another_file_does_not_spoil_it(part, server, tmp_path):
    (tmp_path / "kept.bin.part").write_bytes(part)
    try:
        fetch(server.remote(), tmp_path)
    except OpticsError as error:
        assert "expected" in str(error)
    assert fetch(server.remote(), tmp_path).read_bytes() == CONTENT


def test_another_sha256_is_not_kept(server, tmp_path):
    with pytest.raises(OpticsError, match=r"sha256 .*, expected 0000"):
        fetch(server.remote(sha256="0" * 64), tmp_path)
    assert kept(tmp_path) == []


def test_a_file_that_has_moved_is_told(server, tmp_path):
    with pytest.raises(OpticsError, match=r"does not give the file \(404 .*kept\.bin.*sha256"):
        fetch(server.remote(name="gone.bin"), tmp_path)
    assert kept(tmp_path) == []


def test_offline_says_what_to_do(tmp_path):
    remote = Remote("http://127.0.0.1:9/file.bin", "0" * 64, "kept.bin")
    with pytest.raises(OpticsError, match=r"cannot be downloaded .*put the file at .*kept\.bin.*'digits'"):
        fetch(remote, tmp_path / "cache", timeout=2)
    assert kept(tmp_path / "cache") == []


def test_published_digests_are_whole_and_official():
    hosts = (
        "https://ossci-datasets.s3",
        "http://fashion-mnist.s3-website",
        "https://www.cs.toronto.edu/~kriz/",
    )
    for remotes in SETS.values():
        for remote in remotes:
            assert len(remote.sha256) == 64
            assert remote.url.startswith(hosts)
    assert len({r.sha256 for remotes in SETS.values() for r in remotes}) == 10
    assert set(download.SETS) == {"mnist", "fashion-mnist", "cifar10", "cifar100"}
