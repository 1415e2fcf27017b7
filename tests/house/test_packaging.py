"""Distribution: names, extras, and a base install that needs no torch."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT, SETUPTOOLS = PYPROJECT["project"], PYPROJECT["tool"]["setuptools"]
OURS = ("osteolens", "cohort", "detect", "classify", "phantom", "pipeline", "cli", "weights", "examples")

BLOCKER = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in {'torch', 'torchvision', 'ultralytics', 'segmentation_models_pytorch',
                                  'onnx', 'safetensors', 'trimesh', 'igl', 'nibabel'}:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Blocker())
from cli.main import app
app(sys.argv[1:])
"""


def run_without_torch(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKER, *arguments], capture_output=True, text=True, check=False, timeout=280
    )


@pytest.mark.parametrize("name", OURS)
def test_no_dependency_provides_our_top_level_names(name: str) -> None:
    assert set(packages_distributions().get(name, [])) <= {"osteolens"}


def test_compromised_ultralytics_releases_are_excluded() -> None:
    line = next(d for d in PROJECT["optional-dependencies"]["train"] if d.startswith("ultralytics"))
    for bad in ("8.3.41", "8.3.42", "8.3.45", "8.3.46"):
        assert f"!={bad}" in line


def test_base_install_names_no_training_package() -> None:
    names = {d.split(">")[0].split("=")[0] for d in PROJECT["dependencies"]}
    assert not names & {"torch", "torchvision", "ultralytics", "segmentation-models-pytorch"}


def test_every_dependency_is_bounded_above() -> None:
    for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["train"]]:
        assert "<" in line, line


def test_examples_are_screened_without_torch(tmp_path: Path) -> None:
    done = run_without_torch("process", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out" / "studies").glob("*.json"))) == 6


@pytest.mark.parametrize(
    "arguments",
    [("simulate", "cohort", "--out", "out"), ("train", "classifier", "examples"), ("train", "detector", "examples")],
)
def test_commands_that_need_the_extra_say_so_in_one_line(arguments: tuple[str, ...], tmp_path: Path) -> None:
    given = [str(ROOT / "examples") if a == "examples" else str(tmp_path / a) if a == "out" else a for a in arguments]
    if arguments[0] == "train":
        given += ["--out", str(tmp_path / "run")]
    done = run_without_torch(*given)
    assert done.returncode == 1
    assert "pip install 'osteolens[train]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_answers_at_once() -> None:
    best = 9.0
    for _ in range(3):
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", "--help"], capture_output=True, text=True, check=False, cwd=ROOT
        )
        best = min(best, time.perf_counter() - begun)
        assert "process" in done.stdout
    assert best < 1.0, f"{best:.2f} s; measured 0.35 s on an idle machine"


def test_help_loads_no_array_library() -> None:
    code = "import sys, cli.main; print([m for m in ('numpy', 'pandas', 'cv2', 'onnxruntime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_screening_loads_no_statistics_and_no_figures() -> None:
    """Every process of a run loads what screening imports; these two would take half of that time."""
    code = (
        "import sys, pipeline.screening.folder, pipeline.screening.screener;"
        "print([m for m in ('scipy.stats', 'scipy.optimize', 'matplotlib', 'torch', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_weights_stay_under_65_mb() -> None:
    total = sum(p.stat().st_size for p in (ROOT / "weights").iterdir() if p.is_file())
    assert total < 65e6


def test_every_data_file_of_a_package_is_shipped() -> None:
    patterns = SETUPTOOLS["package-data"]
    for top in OURS:
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc") and "__pycache__" not in path.parts:
                holders = [p for p in path.parents if (p / "__init__.py").is_file() and p != ROOT]
                own, package = path.relative_to(holders[0]), ".".join(holders[0].relative_to(ROOT).parts)
                assert any(own.match(pattern) for pattern in patterns.get(package, ())), f"{package}: {own}"


def test_every_package_is_shipped() -> None:
    found = {
        ".".join(path.parent.relative_to(ROOT).parts) for top in OURS for path in (ROOT / top).rglob("__init__.py")
    }
    assert found == set(SETUPTOOLS["packages"])


def test_onnxruntime_reports_nothing(tmp_path: Path) -> None:
    script = "import pipeline.screening.screener, onnxruntime, os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, cwd=ROOT)
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in str(path).lower()]


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_can_be_run(script: Path) -> None:
    assert os.access(script, os.X_OK), f"{script.name} is not executable: git update-index --chmod=+x"
    subprocess.run(["bash", "-n", script], check=True)
