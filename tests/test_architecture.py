"""The rules of the house: who imports whom, file sizes, no print in libraries."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("cohort", "phantom", "detect", "classify", "pipeline", "cli")
ALLOWED = {
    "cohort": set(),
    "phantom": {"cohort"},
    "detect": {"cohort"},
    "classify": {"cohort"},
    "pipeline": {"cohort", "detect", "classify"},
    "cli": {"cohort", "detect", "classify", "pipeline", "phantom"},
}
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).glob("*.py"))]
HEAVY = {
    "torch",
    "torchvision",
    "ultralytics",
    "segmentation_models_pytorch",
    "lightning",
    "onnx",
    "safetensors",
    "captum",
}
NEEDS_TORCH = {"batches.py", "dataset.py", "head.py", "model.py", "export.py"}


def imported(path: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_imports_follow_the_layers(path: Path) -> None:
    package = path.parent.name
    others = imported(path) & set(PACKAGES) - {package}
    assert others <= ALLOWED[package], f"{package} may import {ALLOWED[package]}, not {others - ALLOWED[package]}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_the_base_install_never_imports_training_packages_at_the_top(path: Path) -> None:
    if path.parent.name == "phantom" or (path.parent.name == "classify" and path.name in NEEDS_TORCH):
        return
    assert not imported(path, top_level_only=True) & HEAVY


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_libraries_do_not_print(path: Path) -> None:
    if path.parent.name == "cli":
        return
    calls = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]
    assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]


def test_only_the_study_boundary_catches_everything() -> None:
    found = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == "Exception":
                found.add(f"{path.parent.name}/{path.name}")
    assert found == {"pipeline/batch.py"}
