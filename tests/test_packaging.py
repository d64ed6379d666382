"""What the wheel holds, where its packages lie, and what happens beside a foreign package of their names."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from optics.toml_errors import tomllib

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("optics", "networks", "calibration", "distill")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the checkout, built without an index."""
    from hatchling.builders.wheel import WheelBuilder

    (path,) = WheelBuilder(str(ROOT)).build(
        directory=str(tmp_path_factory.mktemp("dist")), versions=["standard"]
    )
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_top_level_is_the_four_packages_and_the_metadata(wheel):
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert top == {*PACKAGES, "spectral_cascade-0.1.0.dist-info"}


def test_every_source_and_data_file_is_inside(wheel):
    on_disk = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert on_disk == {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert any(name.startswith("optics/bench/devices/") and name.endswith(".toml") for name in on_disk)
    assert any(name.startswith("optics/bench/benches/") and name.endswith(".toml") for name in on_disk)
    assert any(name.startswith("distill/assets/") for name in on_disk)


def test_metadata_has_licence_command_and_python_range(wheel):
    (info,) = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.10"
    assert b"Version 2.0, January 2004" in wheel.read(f"{info}/licenses/LICENSE")
    assert b"sclc = distill.cli.start:main" in wheel.read(f"{info}/entry_points.txt")


def test_two_builds_of_the_wheel_give_the_same_bytes(tmp_path, monkeypatch):
    """Built at other times, from another place, with files of other dates: for who builds it again to compare."""
    from hatchling.builders.wheel import WheelBuilder

    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    copy = tmp_path / "elsewhere"
    for name in (*PACKAGES, "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            copy.mkdir(exist_ok=True)
            shutil.copy(source, copy / name)
    for path in copy.rglob("*.py"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    built = [
        Path(
            next(iter(WheelBuilder(str(root)).build(directory=str(tmp_path / f"{k}"), versions=["standard"])))
        )
        for k, root in enumerate((ROOT, copy))
    ]
    assert built[0].name == built[1].name
    assert built[0].read_bytes() == built[1].read_bytes()


def test_every_dependency_has_its_reason_and_licence():
    """docs/dependencies.md lists what pyproject.toml asks for, the extras too, and nothing else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [
        *project["dependencies"],
        *(d for extra in project["optional-dependencies"].values() for d in extra),
    ]
    names = {re.match(r"[\w-]+", each)[0].lower() for each in asked}
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (.+?) \| (.+?) \|", page, re.MULTILINE)
    assert {name.lower() for name, _, _ in rows} == names
    assert all(licence.strip() and reason.strip() for _, licence, reason in rows)


def run(statement: str, path: Path, *more: Path) -> subprocess.CompletedProcess[str]:
    """A fresh Python with `path` before everything else, then `more`."""
    code = f"import sys; sys.path[:0] = {[str(p) for p in (path, *more)]!r}; {statement}"
    return subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=path, timeout=120, check=False
    )


def test_installed_packages_share_one_folder_and_one_owner(wheel, tmp_path):
    wheel.extractall(tmp_path)
    result = run(
        "from importlib import import_module, metadata;"
        f"names = {PACKAGES!r};"
        "print({import_module(n).__file__.rsplit('/', 2)[0] for n in names});"
        "print({d.name for d in metadata.distributions() for f in d.files or () if f.parts[0] in names})",
        tmp_path,
    )
    assert result.stdout.splitlines() == [repr({str(tmp_path)}), "{'spectral-cascade'}"], result.stderr


@pytest.fixture
def foreign(tmp_path):
    """Make a package that is not ours, first on the path."""

    def make(name: str, inside: str = "__init__.py") -> Path:
        (tmp_path / name).mkdir()
        (tmp_path / name / inside).write_text("VERSION = 1\n")
        return tmp_path

    return make


@pytest.mark.parametrize("name", ["networks", "calibration", "distill"])
def test_optics_refuses_a_foreign_package_and_says_where_it_lies(foreign, name):
    result = run("import optics", foreign(name), ROOT)
    last = result.stderr.splitlines()[-1]
    assert result.returncode == 1
    assert last.startswith(f"ImportError: the package {name!r} at ")
    assert str(Path(name) / "__init__.py") in last
    assert "not the one of spectral-cascade" in last


@pytest.mark.parametrize("name", ["networks", "calibration", "distill"])
def test_our_other_packages_refuse_a_foreign_optics(foreign, name):
    path = foreign("optics")
    result = run(f"import {name}", path, ROOT)
    last = result.stderr.splitlines()[-1]
    assert result.returncode == 1
    assert last.startswith(f"ImportError: {name} belongs to spectral-cascade")
    assert str(path / "optics") in last


def test_optics_refuses_a_foreign_file_written_over_ours(tmp_path):
    for name in ("optics", "networks"):
        (tmp_path / name).mkdir()
    for name in ("__init__.py", "import_guard.py"):
        (tmp_path / "optics" / name).write_text((ROOT / "optics" / name).read_text())
    (tmp_path / "networks" / "__init__.py").write_text("VERSION = 1\n")
    result = run("import optics", tmp_path)
    assert "the package 'networks' at " in result.stderr.splitlines()[-1]


def test_a_folder_without_init_is_no_package(foreign):
    assert run("import optics, networks", foreign("networks", "notes.txt"), ROOT).returncode == 0


def test_a_type_checker_sees_the_types_of_an_installed_wheel(wheel, tmp_path):
    pytest.importorskip("mypy", reason="comes with `make lint`")
    site = tmp_path / "site"
    wheel.extractall(site)
    (tmp_path / "user.py").write_text(
        "from optics import SLM, load_bench\n"
        "from networks import Student\n"
        "reveal_type(load_bench('ideal-200mm').slm.shape)\n"
        "reveal_type(Student.build)\n"
        "load_bench(3)\n"
    )
    result = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--ignore-missing-imports", "user.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": "", "PYTHONPATH": str(site)},
        timeout=300,
        check=False,
    )
    shown = result.stdout
    assert "tuple[int, int]" in shown, shown + result.stderr
    assert "networks.students.student.Student" in shown
    assert 'incompatible type "int"' in shown
