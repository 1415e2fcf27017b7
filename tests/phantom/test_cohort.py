"""The written cohort."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from cohort.covariates import Sex
from cohort.io.dicom.read import read_header
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.spine import View
from osteolens.errors import AnatomyError, ConfigError
from phantom.cohort import simulate_cohort, young_adults
from phantom.plan import SimulationOptions, SimulationPlan
from phantom.xray.drawn_systems import drawn_systems

COARSE = SimulationOptions(spacing_mm=1.2)


def test_a_cohort_reads_like_a_hospitals(simulated_cohort: Path) -> None:
    index = index_cohort(simulated_cohort)
    assert len(index.studies) == 4
    assert {s.path.name for s in index.skipped} == {
        "cohort.csv",
        "rois.csv",
        "readers.csv",
        "annotations.json",
        "simulation.json",
        "patient.json",
    }
    study = index.studies[0]
    assert study.ap is not None and study.lateral is not None and study.dxa is not None
    image = read_radiograph(study.ap, with_full_range=True)
    assert image.view is View.AP and image.bits == 12 and image.full_range is not None
    assert read_header(study.ap).covariates.sex is study.covariates.sex


def test_jobs_change_no_bit(simulated_cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "two"
    assert simulate_cohort(out, 2, seed=9, options=SimulationOptions(spacing_mm=1.2, jobs=2)).simulated == 2
    written = sorted(path for path in out.glob("*/*.*"))
    assert len(written) == 6
    for path in written:
        assert path.read_bytes() == (simulated_cohort / path.relative_to(out)).read_bytes(), path.name


def test_patients_are_imaged_on_drawn_systems(tmp_path: Path) -> None:
    options = SimulationOptions(spacing_mm=1.2, drawn_systems=5)
    simulate_cohort(tmp_path, sites="training:1,test1:1", seed=9, options=options)
    machines = pd.read_csv(tmp_path / "cohort.csv").set_index("site")["machine"]
    assert machines["training"] in {system.name for system in drawn_systems(5, 9)} and machines["test1"] == "SIM-C"
    study = index_cohort(tmp_path).studies[0]
    assert study.ap is not None and read_radiograph(study.ap).view is View.AP


def test_young_adults_are_scanned_without_radiographs(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    adults = young_adults(SimulationPlan(out=tmp_path / "none"), 1, lambda done, total: told.append((done, total)))
    assert [adult.sex for adult in adults] == [Sex.FEMALE, Sex.MALE]
    for adult in adults:
        assert 20 <= adult.age_years <= 40
        assert adult.bmd_g_cm2 is not None and 0.6 < adult.bmd_g_cm2 < 1.5
    assert told == [(1, 2), (2, 2)]
    assert not (tmp_path / "none").exists()


def test_an_interrupted_run_goes_on_and_one_may_begin_anew(simulated_cohort: Path, tmp_path: Path) -> None:
    out = tmp_path / "cohort"
    shutil.copytree(simulated_cohort, out)
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    (out / "SIM0009-00001" / "patient.json").unlink()
    (out / "SIM0009-00000" / "AP.dcm").write_bytes(b"left alone")
    told: list[tuple[int, int]] = []
    resumed = simulate_cohort(out, 4, 9, options=COARSE, progress=lambda done, total: told.append((done, total)))
    assert (resumed.simulated, resumed.present) == (1, 3) and told == [(3, 4), (4, 4)]
    assert resumed.by_site == {"training": 1, "validation": 1, "test1": 1, "test2": 1}
    assert (out / "SIM0009-00000" / "AP.dcm").read_bytes() == b"left alone"
    assert len(pd.read_csv(out / "cohort.csv")) == 4
    anew = simulate_cohort(out, 1, 9, options=SimulationOptions(spacing_mm=1.2, resume=False))
    assert (anew.simulated, anew.present) == (1, 0)
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == before


def test_a_folder_of_another_plan_is_not_mixed(simulated_cohort: Path) -> None:
    before = (simulated_cohort / "simulation.json").read_bytes()
    with pytest.raises(ConfigError, match="seed is 9, not 10; give another output folder"):
        simulate_cohort(simulated_cohort, 4, seed=10, options=COARSE)
    assert (simulated_cohort / "simulation.json").read_bytes() == before


def test_an_impossible_plan_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="site 'nowhere' is unknown"):
        simulate_cohort(tmp_path / "new", 1, sites="nowhere")
    assert not (tmp_path / "new").exists()


def test_an_unusable_anatomy_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bones" / "bodyparts3d").mkdir(parents=True)
    with pytest.raises(AnatomyError, match="lacks this bone"):
        simulate_cohort(tmp_path / "new", 1, options=SimulationOptions(anatomy=tmp_path / "bones"))
    assert not (tmp_path / "new").exists()
