"""`sclc data get` from a server on this machine: what it says, shows and keeps."""

from __future__ import annotations

import json
import re

import pytest

from distill import progress
from distill.cli.main import main
from distill.data import download
from distill.data.download import Remote
from tests.distill.data.test_download import CONTENT, DIGEST, kept, server

__all__ = ["server"]
WRONG = "0" * 64
_COLOURS = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture
def offers(server, monkeypatch):
    """Makes `mnist` two files of the server's, with the sha256 that are given."""

    def offer(*digests: str) -> None:
        url = f"http://127.0.0.1:{server.server_address[1]}/file.bin"
        files = tuple(Remote(url, digest, f"{k}.gz") for k, digest in enumerate(digests))
        monkeypatch.setitem(download.SETS, "mnist", files)

    return offer


@pytest.mark.parametrize("shown", [False, True])
def test_a_set_is_fetched_once_and_said_where(shown, offers, server, tmp_path, capsys, monkeypatch):
    offers(DIGEST, DIGEST)
    made = progress._tqdm
    monkeypatch.setattr(
        progress, "_tqdm", lambda **told: made(mininterval=0, **told)
    )  # every step of the bar
    if shown:
        monkeypatch.setenv("FORCE_COLOR", "1")  # as a terminal
    command = ["data", "get", "mnist", "digits", "--cache", str(tmp_path)]
    assert main(command) == 0
    out, err = (_COLOURS.sub("", text) for text in capsys.readouterr())
    lines = [line.split(maxsplit=1) for line in out.splitlines() if line.startswith(("mnist", "digits"))]
    assert lines == [["mnist", str(tmp_path / "mnist")], ["digits", "in the package"]]
    assert kept(tmp_path / "mnist") == ["0.gz", "1.gz"]
    assert all(path.read_bytes() == CONTENT for path in (tmp_path / "mnist").iterdir())
    assert "fetch mnist" in err
    for word in (" 43% |", "0.1 MB", "100% |", "0.2 MB"):  # of 153600 bytes, 65536 at a time
        assert (word in err) == shown, err
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "mnist": str(tmp_path / "mnist"),
        "digits": "in the package",
    }
    assert server.asked == [None, None]  # each file once


@pytest.mark.parametrize(("digests", "left"), [((WRONG, DIGEST), []), ((DIGEST, WRONG), ["0.gz"])])
def test_another_sha256_is_one_line_and_not_kept(digests, left, offers, tmp_path, capsys):
    offers(*digests)
    assert main(["data", "get", "mnist", "--cache", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1, err
    assert f"sent a file with sha256 {DIGEST}, expected {WRONG}; it was not kept." in err
    assert kept(tmp_path / "mnist") == left
    offers(DIGEST, DIGEST)
    assert main(["data", "get", "mnist", "--cache", str(tmp_path)]) == 0
