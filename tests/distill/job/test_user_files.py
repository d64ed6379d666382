"""Nothing of the user's is lost: what lies where a run would write is refused before anything is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from distill.cli.main import main
from distill.job.ledger import Ledger, folder_name, place, write_json
from optics.errors import OpticsError

OUTPUTS = {
    "data": ("data.json",),
    "teacher": ("teacher/model", "teacher/repeat-*/model"),
    "export": ("export",),
}
AIDS = {"teacher": ("teacher/checkpoint", "teacher/repeat-*/checkpoint")}
OLD, NEW = dict.fromkeys(OUTPUTS, "old"), dict.fromkeys(OUTPUTS, "new")


def ledger(folder: Path) -> Ledger:
    return Ledger(folder, OUTPUTS, AIDS)


def put(folder: Path, name: str, text: str = "ours") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder but the lock's and the ledger's."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name not in (".lock", "steps.json"))
    return {str(p.relative_to(folder)): p.read_text() for p in files}


@pytest.fixture
def run(tmp_path) -> Path:
    """A finished run with two repeats of its training."""
    book = ledger(tmp_path)
    with book.locked():
        book.begin()
        for step in OUTPUTS:
            with book.working(step, "old", keep=False):
                for name in {
                    "data": ["data.json"],
                    "teacher": ["teacher/checkpoint", "teacher/model", "teacher/repeat-1/model"],
                    "export": ["export/manifest.json", "export/slm/frame.png"],
                }[step]:
                    put(tmp_path, name)
    return tmp_path


# what the user puts into a finished run, and whether another configuration may be run there
MINE = {
    "notes beside": ("notes.txt", True),
    "notes in a training": ("teacher/notes.txt", True),
    "another model": ("teacher/repeat-7/model", False),
    "a note in the export": ("export/notes.txt", False),
    "a picture among the frames": ("export/slm/bench.png", False),
}


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("case", MINE)
def test_what_the_user_puts_into_a_run_stays(run, case, fresh):
    name, goes_on = MINE[case]
    put(run, name, "mine")
    before = contents(run)
    book = ledger(run)
    keys = {} if fresh else NEW
    if not goes_on:
        with pytest.raises(OpticsError, match=f"{run / name} is in the way"), book.locked():
            book.check_free(OUTPUTS, keys)
        assert contents(run) == before
        return
    with book.locked():
        book.check_free(OUTPUTS, keys)
        if fresh:
            book.clear()
        else:
            assert book.drop_stale(NEW) == list(OUTPUTS)
    assert contents(run) == {name: "mine"}
    assert ledger(run).exists()


@pytest.mark.parametrize("name", ["data.json", "teacher/model", "teacher/checkpoint", "export/mine.png"])
def test_a_step_that_the_ledger_does_not_list_writes_over_nothing(tmp_path, name):
    book = ledger(tmp_path)
    with book.locked():
        book.begin()
        put(tmp_path, name, "mine")
        with pytest.raises(OpticsError, match="in the way"):
            book.check_free(OUTPUTS, NEW)
        with (
            pytest.raises(OpticsError, match="in the way"),
            book.working(name.split(".")[0].split("/")[0], "new", keep=True),
        ):
            pass
        book.clear()
        assert book.drop_stale(NEW) == []
    assert contents(tmp_path) == {name: "mine"}


def test_the_ledger_is_read_under_the_lock(run):
    early = ledger(run)  # another process goes on meanwhile, for other inputs
    late = ledger(run)
    with late.locked():
        late.drop_stale(NEW)
        with late.working("data", "new", keep=False):
            put(run, "data.json")
    with early.locked():
        assert early.done("data", "new")
        assert not early.done("data", "old")
        assert early.drop_stale(NEW) == []


@pytest.mark.parametrize("name", ["export/slm/frame.png", "teacher/repeat-1/model", "data.json"])
def test_a_step_one_of_whose_files_is_gone_is_not_done(run, name):
    (run / name).unlink()
    step = name.split(".")[0].split("/")[0]
    assert [s for s in OUTPUTS if not ledger(run).done(s, "old")] == [step]


def test_what_only_helps_to_go_on_may_go(run):
    (run / "teacher" / "checkpoint").unlink()
    assert ledger(run).done("teacher", "old")


@pytest.mark.parametrize(
    "text", ["[]", '{"version": 1}', '{"version": 1, "steps": [1]}', '{"version": 1, "steps": {"data": 3}}']
)
def test_a_damaged_ledger_removes_nothing(run, text):
    before = contents(run)
    (run / "steps.json").write_text(text)
    with pytest.raises(OpticsError, match="choose another directory"):
        ledger(run)
    assert contents(run) == before


# ---------------------------------------------------------------------- the command


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """A folder of the user's, with files whose names are also ours."""
    put(tmp_path, "x.toml", 'name = ".."\n')
    put(tmp_path, "config.toml", "# of my own program\n")
    put(tmp_path, "export/letter.txt", "dear ...")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["-d", "new/.."],
        ["-d", "."],
        ["-d", "new/../new/.."],
        ["-d", "export"],
        ["-d", "export", "--fresh"],
        ["-d", "x.toml"],
    ],
    ids=" ".join,
)
def test_a_folder_of_the_user_s_is_refused_and_left_as_it_is(mine, arguments, capsys):
    before = contents(mine)
    assert main(["run", "x.toml", *arguments]) == 2
    assert "choose another directory" in (said := capsys.readouterr().err) or "give a directory" in said
    assert contents(mine) == before
    assert not (mine / "new").exists()


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("..", "run"),
        (".", "run"),
        ("", "run"),
        ("../a", "-a"),
        ("/etc", "-etc"),
        ("a\nb", "a-b"),
        (".git", "git"),
        ("my run", "my run"),
        ("x" * 300, "x" * 100),
        ("C:\\x", "C--x"),
    ],
)
def test_a_run_s_name_is_one_folder(name, folder):
    assert folder_name(name) == folder
    assert len(Path("runs", folder_name(name)).parts) == 2


def test_a_place_means_the_same_before_and_after_it_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert place("new/..") == tmp_path
    assert place("runs/a") == Path("runs/a")
    assert str(place(f"..{os.sep}{tmp_path.name}")) == str(tmp_path)


def test_the_user_s_words_in_a_configuration_stay(tmp_path):
    from distill.job.config import RunConfig
    from distill.pipeline.main_job import _write_config

    chosen, path = RunConfig(name="a"), tmp_path / "config.toml"
    _write_config(chosen, path)
    first = path.read_text()
    path.write_text("# the good one\n" + first)
    _write_config(chosen, path)
    assert path.read_text() == "# the good one\n" + first
    _write_config(chosen.replace(seed=3), path)
    assert "the good one" not in path.read_text()
    write_json(path, {"not": "toml"})
    _write_config(chosen, path)
    assert path.read_text() == first
