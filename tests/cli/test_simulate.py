"""osteolens simulate."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipeline.bundle.load import Bundle

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra 'train'"),
]


def run(*arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `osteolens simulate ...`."""
    result = CliRunner().invoke(app, ["simulate", *map(str, arguments)])
    return result.exit_code, result.stdout, " ".join(result.stderr.replace("│", " ").split())


def test_a_cohort_is_written_and_counted_as_json(tmp_path: Path) -> None:
    out = tmp_path / "cohort"
    given = ("cohort", "--out", out, "--sites", "test1:1", "--seed", "3", "--spacing-mm", "2.0", "--jobs", "1")
    code, stdout, stderr = run(*given, "--set", "fracture_fraction=0.5", "--json")
    assert code == 0, stderr
    document = json.loads(stdout)
    assert document["by_site"] == {"test1": 1} and (document["simulated"], document["present"]) == (1, 0)
    assert document["folder"] == str(out) and document["seconds"] > 0
    stated = json.loads((out / "simulation.json").read_text())
    assert stated["population"]["fracture_fraction"] == 0.5 and stated["sites"] == "test1:1" and stated["format"] == 2
    code, _, stderr = run(*given, "--variety", "wide", "--set", "fracture_fraction=0.5")
    assert code == 1 and "variety is none, not wide" in stderr and "another output folder" in stderr
    code, stdout, stderr = run(*given, "--set", "fracture_fraction=0.5")
    assert code == 0 and stdout == "" and "0 patients simulated, 1 were there already" in stderr


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    code, _, stderr = run("cohort", "--out", tmp_path / "x", "--sites", "test1:4,test2:3", "--dry-run")
    assert code == 0 and "would simulate 7 patients of seed 0" in stderr
    assert not (tmp_path / "x").exists()


def test_weights_give_the_seed_of_a_fresh_cohort(tmp_path: Path, bundle: Bundle) -> None:
    from cohort.in_silico import fresh_seed

    code, _, stderr = run("cohort", "--out", tmp_path / "x", "--fresh-for", "shipped", "--dry-run")
    assert code == 0 and f"10 patients of seed {fresh_seed(bundle.hashes)}" in stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--sites", "nowhere"), 1, "site 'nowhere' is unknown"),
        (("--patients", "3", "--sites", "test1:2"), 1, "name 2 patients, not 3"),
        (("--set", "fracture_fractoin=0.1"), 1, "fracture_fraction"),
        (("--variety", "usual"), 2, "'none', 'wide', 'faded'"),
        (("--patients", "0"), 2, "--patients"),
        (("--fresh-for", "shipped", "--seed", "3"), 1, "--seed 3 and --fresh-for are given"),
        (("--fresh-for", "no-such-folder"), 1, "no-such-folder"),
    ],
)
def test_what_cannot_be_simulated_is_said(options: tuple[str, ...], code: int, message: str, tmp_path: Path) -> None:
    found, _, stderr = run("cohort", "--out", tmp_path / "x", *options)
    assert found == code and message in stderr
    assert not (tmp_path / "x").exists()


def test_a_ct_is_taken_at_one_site(tmp_path: Path) -> None:
    code, _, stderr = run("ct", "ct.nii.gz", "labels.nii.gz", "--out", tmp_path, "--sites", "mixed")
    assert code == 2 and "a CT takes one of training, validation, test1, test2" in stderr


def test_features_are_simulated_on_a_dry_run_and_sites_are_checked(tmp_path: Path) -> None:
    code, _, stderr = run("features", "--out", tmp_path / "f", "-n", "7", "--dry-run")
    assert code == 0 and "would simulate 7 patients of seed 0 and keep their features" in stderr
    pytest.importorskip("torch")
    code, _, stderr = run("features", "--out", tmp_path / "f", "-n", "7", "--sites", "validation")
    assert code == 1 and "site validation is not" in stderr and not (tmp_path / "f").exists()


def test_the_audit_wants_a_simulated_cohort(tmp_path: Path) -> None:
    code, stdout, stderr = run("audit", tmp_path, "--out", tmp_path / "report")
    assert code == 1 and stdout == "" and "expected a cohort of `osteolens simulate cohort`" in stderr
    assert not (tmp_path / "report").exists()
