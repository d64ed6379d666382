"""The import arrows of the four packages, and the heavy libraries that only functions may import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ARROWS = {
    "optics": {"optics"},
    "networks": {"optics", "networks"},
    "calibration": {"optics", "calibration"},
    "distill": {"optics", "networks", "calibration", "distill"},
}
LAZY = {"matplotlib", "LightPipes", "tensorboard"}
NEVER = {"pickle", "dill", "cloudpickle", "tests", "benchmarks", "examples"}


def imported(node: ast.AST, package: str) -> set[str]:
    """Top-level names that one node imports, by `import`, `from` or `import_module` with a literal name."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {package if node.level else (node.module or "").split(".")[0]}
    if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {
        "import_module",
        "__import__",
    }:
        return {str(a.value).split(".")[0] for a in node.args[:1] if isinstance(a, ast.Constant)}
    return set()


def at_load(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the module is loaded: not the bodies of functions, nor what only types need."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from at_load(child)


def wrong(source: str, package: str) -> list[str]:
    """What is wrong with one file's imports, one line each."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and ast.unparse(node) == "from pickle import UnpicklingError":
            continue  # an error that torch.load(weights_only=True) raises
        for name in imported(node, package):
            if name in ARROWS and name not in ARROWS[package]:
                found.append(f"line {node.lineno}: {package} imports {name}, against the arrows")
            if name in NEVER:
                found.append(f"line {node.lineno}: {name} is not for packages")
    for node in at_load(tree):
        for name in imported(node, package) & LAZY:
            found.append(
                f"line {node.lineno}: {name} is imported when the module loads; import it in the function"
            )
    return found


def files() -> list[Path]:
    return sorted(path for package in ARROWS for path in (ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("path", files(), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_imports_follow_the_arrows(path):
    assert wrong(path.read_text(encoding="utf-8"), path.relative_to(ROOT).parts[0]) == []


@pytest.mark.parametrize(
    ("source", "package", "count"),
    [
        ("import networks.student", "optics", 1),
        ("def f():\n    from distill import cli", "networks", 1),
        ("from importlib import import_module\nimport_module('networks.cascade')", "calibration", 1),
        ("from calibration import radiometry", "networks", 1),
        ("from . import slm\nfrom optics import lens", "optics", 0),
        ("import optics, networks, calibration", "distill", 0),
        ("import matplotlib.pyplot as plt", "optics", 1),
        ("class A:\n    import LightPipes", "distill", 1),
        ("try:\n    import tensorboard\nexcept ImportError:\n    pass", "distill", 1),
        ("def f():\n    import matplotlib", "optics", 0),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import matplotlib", "optics", 0),
        ("import pickle", "distill", 1),
        ("from pickle import UnpicklingError", "distill", 0),
    ],
)
def test_the_check_itself_sees_wrong_arrows(source, package, count):
    assert len(wrong(source, package)) == count
