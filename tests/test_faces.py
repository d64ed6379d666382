"""Every package's face says what is in which of its files and folders."""

from __future__ import annotations

import ast
import re
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
