"""The public face: quick, lazy, complete, and not to be hidden by a file of the same name."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import osteolens
from tests import ROOT


def python(code: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=cwd)


def test_the_import_is_quick_and_loads_no_array_library() -> None:
    code = (
        "import sys, time; begun = time.perf_counter(); import osteolens; spent = time.perf_counter() - begun\n"
        "print(spent, *[m for m in ('numpy', 'pandas', 'torch', 'onnxruntime', 'cv2') if m in sys.modules])"
    )
    spent, *loaded = min(python(code).stdout.split() for _ in range(3))
    assert float(spent) < 0.1 and not loaded


@pytest.mark.parametrize("name", sorted(osteolens.PUBLIC))
def test_every_public_name_is_there_and_documented(name: str) -> None:
    found = getattr(osteolens, name)
    assert found is getattr(import_module(osteolens.PUBLIC[name]), name)
    assert found.__doc__
    assert name in dir(osteolens)


def test_the_stub_states_the_same_names() -> None:
    tree = ast.parse((ROOT / "osteolens" / "__init__.pyi").read_text("utf-8"))
    stated = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module != "osteolens"
        for alias in node.names
    }
    assert stated == osteolens.PUBLIC


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'screen'; it has Screener, screen_folder"):
        _ = osteolens.screen  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["detect.py", "classify/__init__.py", "pipeline.py"])
def test_a_file_that_hides_a_package_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    done = python("import osteolens", tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert last.startswith("ImportError: osteolens: ") and str(tmp_path / name) in last
    assert "rename it, or start Python from another folder" in last


def test_errors_and_version_are_part_of_the_face() -> None:
    assert issubclass(osteolens.errors.ReadError, osteolens.errors.OsteoLensError)
    assert osteolens.__version__[0].isdigit()


def test_folders_of_data_in_the_working_folder_hide_nothing(tmp_path: Path) -> None:
    for name in ("weights", "examples"):
        (tmp_path / name).mkdir()
    code = "from osteolens.shipped import shipped_weights as w, shipped_examples as e; print(w(), e())"
    assert python(code, tmp_path).stdout.split() == [str(ROOT / "weights"), str(ROOT / "examples")]


@pytest.mark.slow
def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    study = sorted((ROOT / "examples").glob("SIM*"))[0]
    script = tmp_path / "mine.py"
    script.write_text(
        "import osteolens as ol\nprint('begun')\n"
        f"print([str(row.status) for row in ol.screen_folder({str(study)!r}, 'out').rows])\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.splitlines() == ["begun", "['screened']"], done.stderr
