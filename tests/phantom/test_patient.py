"""Bones, posture, DXA, truth and the written cohort."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

torch = pytest.importorskip("torch")

from cohort.io.folder import index_cohort  # noqa: E402
from cohort.io.dicom.read import read_header  # noqa: E402
from cohort.io.radiograph import read_radiograph  # noqa: E402
from cohort.spine import LEVELS, TARGET_LEVELS, VertebralLevel, View  # noqa: E402
from cohort.study import SpacingSource  # noqa: E402
from osteolens.errors import AnatomyError, ConfigError  # noqa: E402
from phantom.bones.builtin import procedural_anatomy  # noqa: E402
from phantom.cohort import SimulationPlan, assign_sites, simulate_cohort, young_adults  # noqa: E402
from phantom.patient import Hospital, SimulatedPatient, simulate_patient  # noqa: E402
from phantom.soft_tissue.habitus import Habitus  # noqa: E402
from phantom.subject.population import Person, sample_person  # noqa: E402
from phantom.xray.system import SYSTEMS  # noqa: E402

CPU = torch.device("cpu")


def simulated(person: Person, spacing_mm: float = 1.2) -> SimulatedPatient:
    hospital = Hospital((procedural_anatomy(),), Habitus(), CPU, spacing_mm=spacing_mm)
    return simulate_patient(person, hospital, SYSTEMS["training"])


@pytest.fixture(scope="module")
def patient() -> SimulatedPatient:
    with torch.inference_mode():
        return simulated(sample_person(1, 5))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cohort")
    assert simulate_cohort(SimulationPlan(out, 4, seed=9, spacing_mm=1.2)) == 4
    return out


def test_one_seed_gives_the_same_bits(patient: SimulatedPatient) -> None:
    with torch.inference_mode():
        again = simulated(sample_person(1, 5))
    for view in View:
        np.testing.assert_array_equal(again.images[view].stored, patient.images[view].stored)
    assert again.dxa == patient.dxa


def test_truth_boxes_lie_on_bone(patient: SimulatedPatient) -> None:
    for image in patient.images.values():
        levels = [box.level for box in image.boxes]
        assert levels == sorted(levels, key=LEVELS.index)
        assert set(TARGET_LEVELS) <= set(levels)
        tops = [box.y0 for box in image.boxes]
        assert tops == sorted(tops)
    image, brighter = patient.images[View.AP], 0
    for box in (b for b in image.boxes if b.level in TARGET_LEVELS):
        wide = int(box.x1 - box.x0)
        rows = slice(int(box.y0), int(box.y1))
        inside = np.median(image.stored[rows, int(box.x0) : int(box.x1)])
        left = np.median(image.stored[rows, max(0, int(box.x0) - wide) : int(box.x0)])
        right = np.median(image.stored[rows, int(box.x1) : int(box.x1) + wide])
        brighter += bool(inside > min(left, right))
    assert brighter >= 3, "bowel gas may darken one of the four"


def test_denser_bone_has_a_higher_t_score_and_shows_brighter() -> None:
    from dataclasses import replace

    person = sample_person(1, 5)
    low, high = (simulated(replace(person, vbmd_mg_cm3=v), 1.5) for v in (50.0, 200.0))
    assert high.dxa.result.t_score is not None and low.dxa.result.t_score is not None
    assert high.dxa.result.t_score > low.dxa.result.t_score + 2
    contrast = []
    for one in (low, high):
        box = next(b for b in one.images[View.LATERAL].boxes if b.level is VertebralLevel.L3)
        rows = slice(int(box.y0) + 6, int(box.y1) - 6)
        stored = one.images[View.LATERAL].stored.astype(float)
        body = stored[rows, int(box.x0) + 4 : int(box.x1) - 4].mean()
        front = stored[rows, int(box.x0) - 14 : int(box.x0) - 4].mean()
        contrast.append(body - front)
    assert contrast[1] > contrast[0]


def test_poor_exposures_show_in_the_image() -> None:
    from phantom.patient import build_body
    from phantom.subject.pathology import Exposure
    from phantom.variety import Variety
    from phantom.xray.radiograph import sample_field, take_radiograph

    body = build_body(sample_person(1, 5), Hospital((procedural_anatomy(),), Habitus(), CPU))
    system = SYSTEMS["test1"][0]
    noise, flat = {}, {}
    for exposure in Exposure:
        rng = np.random.default_rng(0)
        geometry = sample_field(View.AP, body.tissue, system, 0.6, Variety.NONE, rng)
        generator = torch.Generator().manual_seed(0)
        image, _ = take_radiograph(View.AP, body.skeleton, body.tissue, system, geometry, exposure, rng, generator)
        middle = image.stored[150:450, 60:-60].astype(float)
        noise[exposure] = float(np.median(np.abs(np.diff(middle, axis=1))))
        _, counts = np.unique(image.stored, return_counts=True)
        flat[exposure] = counts.max() / counts.sum()
    assert noise[Exposure.UNDER] > 2 * noise[Exposure.GOOD]
    assert flat[Exposure.OVER] > flat[Exposure.GOOD] + 0.05


def test_exposures_are_drawn_as_what_they_are() -> None:
    from phantom.subject.pathology import Exposure, sample_pathology
    from phantom.subject.population import PopulationConfig

    every = PopulationConfig(poor_exposure_share=1.0)
    drawn = {sample_pathology(sample_person(k, 1), every).exposure for k in range(40)}
    assert drawn == {Exposure.UNDER, Exposure.OVER} and all(isinstance(e, Exposure) for e in drawn)


def test_a_cohort_reads_like_a_hospitals(cohort: Path) -> None:
    index = index_cohort(cohort)
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


def test_sites_differ_in_machine_photometric_and_spacing(cohort: Path) -> None:
    found = {}
    for path in sorted(cohort.glob("*/AP.dcm")):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        spacing = SpacingSource.PIXEL_SPACING if "PixelSpacing" in ds else SpacingSource.IMAGER_PIXEL_SPACING
        found[ds.StationName] = (ds.PhotometricInterpretation, spacing, int(ds.KVP), float(ds.ImagerPixelSpacing[0]))
        assert "In-silico" in ds.ImageComments and ds.BitsStored == 12
        assert {"PatientAge", "PatientSex", "PatientSize", "PatientWeight", "WindowCenter", "RescaleSlope"} <= {
            element.keyword for element in ds
        }
    assert found["SIM-C"] == ("MONOCHROME1", SpacingSource.IMAGER_PIXEL_SPACING, 75, 1.2)
    assert found["SIM-D"] == ("MONOCHROME2", SpacingSource.PIXEL_SPACING, 75, 1.28)
    lateral = {
        pydicom.dcmread(p, stop_before_pixels=True).StationName: int(pydicom.dcmread(p, stop_before_pixels=True).KVP)
        for p in cohort.glob("*/LATERAL.dcm")
    }
    assert lateral["SIM-C"] == 80 and lateral["SIM-D"] == 90


def test_the_tables_hold_truth_readers_and_outlines(cohort: Path) -> None:
    table = pd.read_csv(cohort / "cohort.csv")
    assert {"implant", "fracture_grade", "cobb_deg", "exposure", "menopause_age_years", "lumbar_count"} <= set(table)
    readings = pd.read_csv(cohort / "readers.csv")
    assert readings["reader"].nunique() == 6
    coco = json.loads((cohort / "annotations.json").read_text())
    assert len(coco["images"]) == 8 and {c["name"] for c in coco["categories"]} >= {"L1", "S1"}
    rois = pd.read_csv(cohort / "rois.csv")
    assert len(coco["annotations"]) == len(rois)
    for annotation in coco["annotations"]:
        x, _, width, height = annotation["bbox"]
        for polygon in annotation["segmentation"]:
            points = np.array(polygon).reshape(-1, 2)
            assert x - 1 <= points[:, 0].min() and points[:, 0].max() <= x + width + 1
            assert 0.4 * width * height < annotation["area"] <= width * height


def test_jobs_change_no_bit(cohort: Path, tmp_path: Path) -> None:
    assert simulate_cohort(SimulationPlan(tmp_path / "two", 4, seed=9, spacing_mm=1.2, jobs=2)) == 4
    for path in sorted(cohort.rglob("*.*")):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(cohort)).read_bytes(), path.name


def test_counts_of_sites_are_kept(tmp_path: Path) -> None:
    plan = SimulationPlan(tmp_path, 5, site="training:3,test2:2")
    assert assign_sites(plan) == ["training"] * 3 + ["test2"] * 2
    assert assign_sites(SimulationPlan(tmp_path, 5)) == ["training", "validation", "test1", "test2", "training"]


def test_young_adults_are_scanned_without_radiographs(tmp_path: Path) -> None:
    rows = young_adults(SimulationPlan(tmp_path / "none", 1), 2)
    assert [row["sex"] for row in rows] == ["F", "F", "M", "M"]
    assert all(20 <= row["age_years"] <= 40 and 0.6 < row["bmd_g_cm2"] < 1.5 for row in rows)
    assert not (tmp_path / "none").exists()


def test_an_interrupted_run_goes_on(cohort: Path) -> None:
    first = sorted(cohort.glob("*/patient.json"))[0]
    before = {p: p.read_bytes() for p in cohort.glob("*/*.dcm")}
    first.unlink()
    assert simulate_cohort(SimulationPlan(cohort, 4, seed=9, spacing_mm=1.2)) == 1
    assert {p: p.read_bytes() for p in cohort.glob("*/*.dcm")} == before
    assert len(pd.read_csv(cohort / "cohort.csv")) == 4


def test_a_folder_of_another_plan_is_not_mixed(cohort: Path) -> None:
    with pytest.raises(ConfigError, match="give another --out"):
        simulate_cohort(SimulationPlan(cohort, 4, seed=10, spacing_mm=1.2))
    assert json.loads((cohort / "simulation.json").read_text())["seed"] == 9


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"patients": 0}, "got 0 patients"),
        ({"patients": 1, "site": "nowhere"}, "site 'nowhere' is unknown"),
        ({"patients": 1, "spacing_mm": 9.0}, "0.1-2.0 mm"),
        ({"patients": 1, "jobs": 0}, "in 0 processes"),
        ({"patients": 3, "site": "test1:2"}, "names 2 patients, --patients 3"),
        ({"patients": 3, "site": "test1:x"}, "expected a count"),
    ],
)
def test_an_impossible_plan_writes_nothing(tmp_path: Path, plan: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate_cohort(SimulationPlan(tmp_path / "new", **plan))
    assert not (tmp_path / "new").exists()


def test_an_unusable_anatomy_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "bones" / "bodyparts3d").mkdir(parents=True)
    with pytest.raises(AnatomyError, match="lacks this bone"):
        simulate_cohort(SimulationPlan(tmp_path / "new", 1, anatomy=tmp_path / "bones"))
    assert not (tmp_path / "new").exists()
