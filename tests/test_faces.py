"""Every package's face says what is in which of its files and folders."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FACES = sorted(
    face.relative_to(ROOT)
    for package in ("optics", "networks", "distill", "calibration")
    for face in (ROOT / package).rglob("__init__.py")
)


@pytest.mark.parametrize("face", FACES, ids=str)
def test_a_face_names_every_room(face):
    told = ast.get_docstring(ast.parse((ROOT / face).read_text(encoding="utf-8"))) or ""
    folder = (ROOT / face).parent
    rooms = [path.name for path in folder.glob("*.py") if not path.name.startswith("_")]
    rooms += [path.name for path in folder.iterdir() if (path / "__init__.py").is_file()]
    named = re.findall(r"(?<![\w/.])(\w+(?:\.py)?)(?![\w.])", told)
    assert set(rooms) <= set(named), sorted(set(rooms) - set(named))


def test_what_the_pages_name_is_there_after_the_import_of_its_package_alone():
    told = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    dotted = r"((?:distill|optics|networks|calibration)(?:\.[A-Za-z_]\w*)+)"
    names = {a or b for a, b in re.findall(rf"`{dotted}`|\b{dotted}\(", told)}
    names -= {"calibration.json", "optics.testing"}  # a file; what needs hypothesis
    assert {"distill.data.survey.check", "distill.data.load"} <= names
    code = (
        "import sys, operator, calibration, distill, networks, optics\n"
        "for name in sys.argv[1:]:\n"
        "    package, inside = name.split('.', 1)\n"
        "    operator.attrgetter(inside)(sys.modules[package])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *sorted(names)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
