"""The laws of the house: who imports whom, sizes of files and rooms, where torch lives, no print in libraries."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests import ROOT

LAYERS = ("osteolens", "cohort", "detect", "classify", "phantom", "pipeline", "cli")
ALLOWED = {
    "osteolens": set(),
    "cohort": {"osteolens"},
    "phantom": {"osteolens", "cohort"},
    "detect": {"osteolens", "cohort"},
    "classify": {"osteolens", "cohort"},
    "pipeline": {"osteolens", "cohort", "detect", "classify", "phantom"},
    "cli": {"osteolens", "cohort", "detect", "classify", "pipeline", "phantom"},
}
"""Layers that a layer may import; detect, classify and phantom never import each other."""

ROOMS: dict[str, set[str]] = {
    "appearance": set(),
    "prediction": set(),
    "bundle": {"prediction"},
    "report_page": {"appearance", "prediction"},
    "dicom_objects": {"appearance", "prediction"},
    "fhir": {"prediction"},
    "screening": {"appearance", "prediction", "bundle", "report_page", "dicom_objects", "fhir"},
    "evaluation": {"prediction", "bundle", "report_page"},
    "training": {"prediction", "bundle", "report_page", "screening", "evaluation"},
    "roi_comparison": {"prediction", "bundle", "report_page", "screening", "evaluation"},
    "audit": {"prediction", "bundle", "report_page", "screening", "evaluation"},
    "known_groups": {"prediction", "report_page", "evaluation"},
    "recalibration": {"bundle", "evaluation"},
    "precision": {"prediction", "bundle", "screening", "evaluation"},
    "node": {"prediction", "bundle", "report_page", "screening", "dicom_objects"},
    "review": {"prediction", "bundle", "screening", "dicom_objects"},
    "annotation": {"prediction", "bundle", "screening", "review"},
    "reproduction": {"prediction", "bundle", "report_page", "screening", "evaluation", "training"},
}
"""Rooms of the pipeline that a room may import."""

MOST_MODULES, MOST_LINES, SIBLINGS = 12, 300, 3
TRAINING_PACKAGES = {
    "torch",
    "torchvision",
    "ultralytics",
    "segmentation_models_pytorch",
    "onnx",
    "safetensors",
    "captum",
}
NEED_TORCH = ("osteolens/training/", "classify/network/", "classify/training/", "detect/training/", "phantom/")
"""Where torch and what trains with it may be named."""

FILES = [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]
TOOLS = [path for folder in ("benchmarks", "scripts") for path in sorted((ROOT / folder).rglob("*.py"))]
"""Programs beside the product; sizes of files and folders hold for them too."""

FOLDERS = sorted({path.parent for path in (*FILES, *TOOLS)})

ALIKE = {"scripts": {"make"}}
"""First words that may repeat: what `make_` begins with writes files of the repository, and nothing imports it."""


def name_of(path: Path) -> str:
    """Path from the root."""
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> set[str]:
    """Modules that a file imports, anywhere in it, with the modules of ours that it may take from a package."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{name_of(path)}: relative import"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names if is_module(f"{node.module}.{alias.name}")}
    return names


def is_module(name: str) -> bool:
    """Whether a dotted name is a module of ours."""
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_down(path: Path) -> None:
    layer = name_of(path).split("/")[0]
    others = {name.split(".")[0] for name in imported(path)} & set(LAYERS) - {layer}
    assert others <= ALLOWED[layer], f"{layer} may import {ALLOWED[layer]}, not {others - ALLOWED[layer]}"


@pytest.mark.parametrize("path", [f for f in FILES if name_of(f).startswith("pipeline/")], ids=name_of)
def test_rooms_of_the_pipeline_import_down(path: Path) -> None:
    if path.name == "__init__.py":
        return
    room = name_of(path).split("/")[1].removesuffix(".py")
    others = {name.split(".")[1] for name in imported(path) if name.startswith("pipeline.")} - {room}
    assert others <= ROOMS[room], f"pipeline/{room} may not import {others - ROOMS[room]}"


def test_there_is_no_circle() -> None:
    modules = {name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in FILES}
    graph = {name: {other for other in imported(path) if other in modules} - {name} for name, path in modules.items()}
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", [f for f in FILES if name_of(f).startswith("pipeline/evaluation/")], ids=name_of)
def test_evaluation_runs_no_model(path: Path) -> None:
    forbidden = ("pipeline.screening", "detect", "onnxruntime")
    found = {name for name in imported(path) if name.startswith(forbidden)}
    assert not found, f"{name_of(path)} imports {found}"


@pytest.mark.parametrize("path", [*FILES, *TOOLS], ids=name_of)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_rooms_stay_small(folder: Path) -> None:
    modules = [path.stem for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST_MODULES, f"{name_of(folder)} holds {len(modules)} modules"
    words = Counter(name.split("_")[0] for name in modules)
    alike = {word for word, n in words.items() if n >= SIBLINGS} - ALIKE.get(name_of(folder), set())
    assert not alike, f"{name_of(folder)}: three modules with one first word are a folder: {alike}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_torch_lives_where_training_does(path: Path) -> None:
    if not name_of(path).startswith(NEED_TORCH):
        found = {name.split(".")[0] for name in imported(path)} & TRAINING_PACKAGES
        assert not found, f"{name_of(path)} names {found}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_libraries_do_not_print(path: Path) -> None:
    if name_of(path).startswith("cli/"):
        return
    calls = [n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]
    assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]


def test_only_the_boundaries_of_study_and_store_catch_everything() -> None:
    found = set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ExceptHandler) and isinstance(node.type, ast.Name) and node.type.id == "Exception":
                found.add(name_of(path))
    assert found == {"pipeline/screening/stored_study.py", "pipeline/screening/storage/store.py"}


SEVERAL_MODULES = {
    "cli/test_cli.py",
    "cohort/importers/test_importers.py",
    "detect/test_not_lumbar.py",
    "osteolens/test_face.py",
    "pipeline/screening/test_inverted.py",
    "pipeline/training/test_extras.py",
}
"""Tests of a behaviour that no single module has."""


def test_tests_mirror_the_house() -> None:
    """A test of a module has its name and lies in a folder of the same name; the first words will do."""
    lost = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        place = path.relative_to(ROOT / "tests")
        if place.parts[0] in LAYERS and place.as_posix() not in SEVERAL_MODULES:
            modules = [module.stem for module in (ROOT / place.parent).glob("*") if module.name != "__init__.py"]
            if not any(place.stem.removeprefix("test_").startswith(module) for module in modules):
                lost.append(place.as_posix())
    assert not lost, f"no module of this name: {lost}"
