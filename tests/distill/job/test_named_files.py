"""Files that a configuration names and that are not there: which key, where they were looked for, what would do."""

from __future__ import annotations

from pathlib import Path

import pytest

from distill.cli.main import main
from distill.job import config
from distill.job.named_files import check_data
from optics.checks import OpticsError
from optics.errors import SpecError

PLACES = "beside the configuration, in the current folder or in that of SCLC_DATA"
ABSENT = {
    "an example's file": (
        "data.source=mnist.h5",
        f"data.source: .* 'mnist.h5' {PLACES} .*did you mean 'mnist'",
    ),
    "a name misspelt": ("data.source=digts", f"data.source: .* 'digts' {PLACES} .*did you mean 'digits'"),
    "pictures without labels": (
        "data.unlabelled=nowhere",
        f"data.unlabelled: .* 'nowhere' {PLACES} .*or one of digits",
    ),
    "a whole path": (
        "data.source=/no/where.h5",
        "data.source: .* '/no/where.h5'; give a path, or one of digits",
    ),
}
SHARED = {None: "which is not set", "": "which is not set", ".": r"\.", "no/where": "no/where, no folder"}


@pytest.fixture(autouse=True)
def nothing_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCLC_DATA", raising=False)


@pytest.mark.parametrize("case", ABSENT)
def test_data_that_are_not_there_are_told_with_their_key(case):
    text, said = ABSENT[case]
    with pytest.raises(OpticsError, match=f"^{said}.*docs/data.md") as error:
        check_data(config.demo(sets=[text]))
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("shared", SHARED)
def test_the_folder_of_the_data_is_told_as_it_is_set(shared, monkeypatch):
    if shared is not None:
        monkeypatch.setenv("SCLC_DATA", shared)
    with pytest.raises(OpticsError, match=rf"{PLACES} \({SHARED[shared]}\);"):
        check_data(config.demo(sets=["data.source=mnist.h5"]))
    Path("mnist.h5").touch()
    check_data(config.demo(sets=["data.source=mnist.h5"]))


def test_a_run_says_it_before_anything_is_written(tmp_path, capsys):
    Path("mine.toml").write_text('[data]\nsource = "mnist.h5"\n')
    assert main(["run", "mine.toml"]) == 2
    assert f"data.source: no data set and no file is called 'mnist.h5' {PLACES}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "nowhere.toml",
            "no file is called 'nowhere.toml' beside the configuration or in the current folder",
        ),
        ("plutto", "unknown bench 'plutto'. Nearest: pluto2-200mm"),
    ],
)
def test_a_bench_that_is_not_there_is_told_with_its_key(source, said, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(f'[bench]\nsource = "{source}"\n')
    with pytest.raises(SpecError, match=f"mine.toml:2: bench.source: {said}"):
        config.load(file)
    with pytest.raises(SpecError, match=f"^--set bench.source={source}: bench.source: {said}"):
        config.demo(sets=[f"bench.source={source}"])
    with pytest.raises(SpecError, match=f"^--bench: {said}"):
        config.changed(config.demo(), sets=(), source="config.toml", bench=source)
