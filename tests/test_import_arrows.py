"""The import arrows of the packages and their folders, circles, and libraries that only functions may import."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
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


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(path: Path) -> str:
    """The folder inside a package that a module lies in; a module beside the folders is a room of its own."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:2])


def targets(tree: ast.AST, modules: Mapping[str, Path]) -> Iterator[str]:
    """Modules of ours that a file imports anywhere, in functions too; not what only types need."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield from (name for name in (full if full in modules else node.module,) if name in modules)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        yield from targets(node, modules)


def arrows() -> dict[str, set[str]]:
    """Module to the modules that it imports; a face (`__init__`) only gathers names and has no arrows."""
    modules = {module_of(path): path for path in files()}
    return {
        name: set(targets(ast.parse(path.read_text(encoding="utf-8")), modules)) - {name}
        for name, path in modules.items()
        if path.name != "__init__.py"
    }


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """The names of one circle, in order; empty where there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as e:
        return list(e.args[1])
    return []


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


def test_no_module_imports_itself_by_way_of_others():
    assert circle(arrows()) == []


def test_no_folder_imports_itself_by_way_of_others():
    rooms = {module_of(path): room_of(path) for path in files()}
    graph: dict[str, set[str]] = {}
    for module, found in arrows().items():
        room = rooms[module]
        graph.setdefault(room, set()).update(rooms[name] for name in found if rooms[name] != room)
    assert circle(graph) == []


def test_a_circle_is_seen():
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}


@pytest.mark.parametrize("face", [p for p in files() if p.name == "__init__.py"], ids=module_of)
def test_a_face_names_what_it_exports_and_hides_no_module(face):
    module = importlib.import_module(module_of(face))
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if (face.parent / f"{name}.py").exists() or (face.parent / name).is_dir():
            assert getattr(value, "__name__", "") == f"{module.__name__}.{name}", f"{name} hides a module"


def test_folders_and_files_stay_small():
    for folder in {path.parent for path in files()}:
        assert sum(p.name != "__init__.py" for p in folder.glob("*.py")) <= 16, folder
    for path in files():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
