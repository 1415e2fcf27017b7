"""Crops at every step from bone to display."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.ceiling.__main__ import ELIGIBLE, main, read_patients
from benchmarks.ceiling.steps import PHYSICS, SIDE, STEPS, StepsTask, write_steps
from phantom.plan import SimulationOptions, SimulationPlan


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    out = tmp_path_factory.mktemp("steps")
    task = StepsTask(SimulationPlan(out=out, seed=50, options=SimulationOptions(population=ELIGIBLE)), 0)
    write_steps(task)
    patients = read_patients([task.path])
    assert len(patients.t_scores) == 1 and patients.covariates.shape == (1, 3) and patients.bones.shape == (1, 3)
    with np.load(task.path) as stored:
        assert stored["crops"].shape == (len(STEPS), 2, 4, SIDE, SIDE)
        return dict(zip(STEPS, stored["crops"].astype(np.float64), strict=True))


def test_bone_dims_the_beam_and_scatter_brightens_it(crops: dict[str, np.ndarray]) -> None:
    assert crops["mineral"].min() >= 0 and 0.2 < crops["mineral"].mean() < 4
    assert (crops["attenuation"] > crops["mineral"] * 0.1).all()
    assert (crops["scatter"].mean((-1, -2)) < crops["attenuation"].mean((-1, -2))).all()


def test_noise_is_added_to_what_scatter_left(crops: dict[str, np.ndarray]) -> None:
    apart = crops["noise"] - crops["scatter"]
    assert 0.001 < apart.std() < 0.3 and abs(apart.mean()) < 0.01


def test_displays_are_shown_by_their_windows(crops: dict[str, np.ndarray]) -> None:
    shown = np.stack([crops[step] for step in STEPS if step not in PHYSICS])
    assert shown.min() >= 0 and shown.max() <= 1
    assert all(np.abs(one - other).mean() > 0.01 for one, other in pairwise(shown))


def test_the_table_is_printed_and_a_rerun_simulates_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for index in range(24):
        with (tmp_path / f"{index:05}.npz").open("wb") as stream:
            t_score = -4 + 5 * (7 * index % 24) / 24
            np.savez(
                stream, crops=rng.normal(t_score, 1, (len(STEPS), 2, 4, SIDE, SIDE)).astype(np.float16),
                t_score=t_score, covariates=rng.normal(size=3), bones=rng.normal(size=3),
            )  # fmt: skip
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    main(["--out", str(tmp_path), "--patients", "24", "--jobs", "1"])
    printed = capsys.readouterr().out
    assert "| mineral | mineral | no |" in printed and "| drawn systems | SIM-D | yes |" in printed
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")} == before
    assert (tmp_path / "ceiling.json").is_file()
