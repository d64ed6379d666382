"""The ledger of a run's directory: keys, stale steps, interruptions, strangers' files, one process at a time."""

from __future__ import annotations

import json
import re

import pytest

from distill.job.ledger import Ledger, key_of, read_json, write_json
from optics.checks import OpticsError

OUTPUTS = {"one": ("one.json",), "two": ("two",)}


def ledger(folder):
    return Ledger(folder, OUTPUTS)


def work(folder, key="k"):
    book = ledger(folder)
    with book.locked(), book.working("one", key, keep=False):
        write_json(folder / "one.json", {"x": 1})
    return book


def test_keys_depend_on_values_and_not_on_the_order_of_keys():
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
    assert key_of("a", "b") != key_of("ab")


def test_a_step_is_done_for_its_key_while_its_files_exist(tmp_path):
    work(tmp_path)
    book = ledger(tmp_path)
    assert book.done("one", "k")
    assert not book.done("one", "other")
    assert not book.done("two", "k")
    (tmp_path / "one.json").unlink()
    assert not book.done("one", "k")


def test_a_stale_step_loses_its_files_and_others_do_not(tmp_path):
    work(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    book = ledger(tmp_path)
    assert book.drop_stale({"one": "k", "two": "k"}) == []
    assert book.drop_stale({"one": "new", "two": "k"}) == ["one"]
    assert not (tmp_path / "one.json").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_interrupted_step_is_begun_anew_unless_it_can_go_on(tmp_path):
    book = ledger(tmp_path)
    for keep in (False, True):
        with pytest.raises(KeyboardInterrupt), book.locked(), book.working("two", "k", keep=keep):
            (tmp_path / "two").mkdir(exist_ok=True)
            (tmp_path / "two" / "half").write_text("x")
            raise KeyboardInterrupt
        assert not ledger(tmp_path).done("two", "k")
    with book.working("two", "k", keep=True):
        assert (tmp_path / "two" / "half").exists()
    with book.working("two", "k", keep=False):
        assert not (tmp_path / "two").exists()


def test_a_stranger_s_directory_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(OpticsError, match="not empty"):
        ledger(tmp_path)
    with pytest.raises(OpticsError, match="is a file"):
        ledger(tmp_path / "thesis.tex")


def test_two_processes_do_not_share_a_directory(tmp_path):
    book = ledger(tmp_path)
    with book.locked(), pytest.raises(OpticsError, match="another process"), ledger(tmp_path).locked():
        pass


def test_a_damaged_ledger_is_one_clear_error(tmp_path):
    work(tmp_path)
    (tmp_path / "steps.json").write_text('{"version": 1, "ste')
    with pytest.raises(OpticsError, match=r"steps\.json is not JSON .*; choose another directory\.$"):
        ledger(tmp_path)  # not "remove it": what is left then is taken for something else than a run
    (tmp_path / "steps.json").write_text('{"version": 99}')
    with pytest.raises(OpticsError, match="another version"):
        ledger(tmp_path)


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"x": float("nan")})
    assert json.loads(path.read_text()) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    with pytest.raises(OpticsError, match=r"none\.json does not exist"):
        read_json(tmp_path / "none.json")


def test_a_file_that_a_run_lost_or_that_is_damaged_comes_again_by_the_command_that_is_told(tmp_path):
    again = re.escape(f"go on with the run: sclc run {tmp_path}/config.toml --output {tmp_path} --resume.")
    work(tmp_path)
    with pytest.raises(OpticsError, match=f"evaluation.json does not exist; {again}"):
        read_json(tmp_path / "evaluation.json")
    (tmp_path / "evaluation.json").write_text("{")
    with pytest.raises(OpticsError, match=f"remove it and {again}"):
        read_json(tmp_path / "evaluation.json")
