"""Bones, posture, DXA, truth and the written cohort."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

torch = pytest.importorskip("torch")

from cohort.errors import AnatomyError, ConfigError  # noqa: E402
from cohort.images import read_radiograph  # noqa: E402
from cohort.index import index_cohort  # noqa: E402
from cohort.spine import LEVELS, TARGET_LEVELS, VertebralLevel, View  # noqa: E402
from cohort.study import Sex, SpacingSource  # noqa: E402
from phantom.anatomy import Bone, vertebra_from_bone  # noqa: E402
from phantom.dxa import YOUNG_ADULT_BMD, measure_dxa  # noqa: E402
from phantom.machine import MACHINES  # noqa: E402
from phantom.meshes import load_anatomies  # noqa: E402
from phantom.patient import SimulatedPatient, simulate_patient  # noqa: E402
from phantom.population import draw_person  # noqa: E402
from phantom.posture import Placement, Variety, draw_posture  # noqa: E402
from phantom.procedural import BODY_MM, procedural_anatomy  # noqa: E402
from phantom.projector import Volume  # noqa: E402
from phantom.skeleton import Skeleton  # noqa: E402
from phantom.write import SimulationPlan, simulate_cohort  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def patient() -> SimulatedPatient:
    with torch.inference_mode():
        return simulate_patient(draw_person(1, 5), (procedural_anatomy(),), None, MACHINES["training"], 1.2, CPU)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cohort")
    assert simulate_cohort(SimulationPlan(out, 4, seed=9, spacing_mm=1.2)) == 4
    return out


def test_the_built_in_bodies_have_their_sizes() -> None:
    for level, vertebra in procedural_anatomy().vertebrae.items():
        width, depth, height = BODY_MM[level]
        assert vertebra.size_mm[0] == pytest.approx(width, rel=0.08)
        assert vertebra.size_mm[1] == pytest.approx(depth, rel=0.18)
        assert vertebra.size_mm[2] == pytest.approx(height, rel=0.18)


def test_a_tilted_vertebra_is_found_upright_in_its_own_frame() -> None:
    upright = procedural_anatomy().vertebrae[VertebralLevel.L3].bone
    plain = Bone("L3", upright.sdf, upright.origin, upright.step_mm)
    found = vertebra_from_bone(plain)
    assert np.allclose(found.bone.axes, np.eye(3), atol=0.08)
    assert np.abs(found.bone.centre).max() < 2.5


def test_a_block_without_a_body_is_refused() -> None:
    with pytest.raises(AnatomyError, match="encloses no volume"):
        vertebra_from_bone(Bone("nothing", np.ones((9, 9, 9), np.float32), np.zeros(3), 1.0))


def test_placement_forward_and_height_factor_agree() -> None:
    placement = Placement(np.eye(3), np.array([1.0, 2, 3]), np.array([1.1, 1.0, 0.9]), 17, 23, wedge=0.3)
    front, back = placement.to_patient(np.array([[0.0, -17, 10], [0.0, 17, 10]]))
    assert front[2] - 3 == pytest.approx(9 * 0.7) and back[2] - 3 == pytest.approx(9.0)


def test_vertebrae_stack_without_touching_and_upwards() -> None:
    for seed in range(6):
        person = draw_person(seed, 1)
        posture = draw_posture(person, procedural_anatomy(), np.random.default_rng(seed), Variety.WIDE)
        centres = np.array([posture.vertebrae[level].centre for level in LEVELS[:8]])
        steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
        assert (np.diff(centres[:, 2]) < 0).all()
        assert ((steps > 18) & (steps < 52)).all()


def test_people_are_drawn_by_index_and_seed() -> None:
    assert draw_person(3, 1) == draw_person(3, 1)
    assert draw_person(3, 1) != draw_person(3, 2)
    people = [draw_person(k, 0) for k in range(3000)]
    ages = np.array([p.age_years for p in people])
    assert ages.min() >= 50 and ages.max() <= 95
    assert ages.mean() == pytest.approx(65.4, abs=2.0) and ages.std() == pytest.approx(9.3, abs=1.5)
    assert np.mean([p.sex is Sex.MALE for p in people]) == pytest.approx(0.311, abs=0.03)
    assert np.mean([p.bmi_kg_m2 for p in people]) == pytest.approx(23.97, abs=0.3)


def test_one_seed_gives_the_same_bits(patient: SimulatedPatient) -> None:
    with torch.inference_mode():
        again = simulate_patient(draw_person(1, 5), (procedural_anatomy(),), None, MACHINES["training"], 1.2, CPU)
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
    image = patient.images[View.AP]
    for box in (b for b in image.boxes if b.level in TARGET_LEVELS):
        wide = int(box.x1 - box.x0)
        inside = image.stored[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)].mean()
        beside = image.stored[int(box.y0) : int(box.y1), max(0, int(box.x0) - wide) : int(box.x0)].mean()
        assert inside > beside


def block(density: float) -> Skeleton:
    volume = torch.zeros(60, 40, 130)
    owner = torch.full(volume.shape, -1, dtype=torch.int8)
    for k, level in enumerate(TARGET_LEVELS):
        part = (slice(10, 50), slice(5, 35), slice(5 + 30 * k, 33 + 30 * k))
        volume[part] = density
        owner[part] = LEVELS.index(level)
    empty = Volume(torch.zeros(2, 2, 2), (0.0, 0.0, 0.0), 2.0)
    return Skeleton(Volume(volume, (0.0, 0.0, 0.0), 1.0), empty, owner, torch.zeros_like(owner, dtype=torch.bool))


def test_dxa_of_a_known_block() -> None:
    rng = np.random.default_rng(0)
    found = [measure_dxa(block(0.3), Sex.FEMALE, rng) for _ in range(200)]
    values = np.array([d.bmd_g_cm2 for d in found])
    assert values.mean() == pytest.approx(0.3 * 3.0, rel=0.005)
    assert 0.010 <= values.std() / values.mean() <= 0.015
    mean, sd = YOUNG_ADULT_BMD[Sex.FEMALE]
    assert found[0].t_score == pytest.approx((values[0] - mean) / sd, abs=0.011)


def test_denser_bone_has_a_higher_t_score_and_shows_brighter() -> None:
    from dataclasses import replace

    person = draw_person(1, 5)
    low, high = (
        simulate_patient(replace(person, vbmd_mg_cm3=v), (procedural_anatomy(),), None, MACHINES["training"], 1.5, CPU)
        for v in (50.0, 200.0)
    )
    assert high.dxa.t_score is not None and low.dxa.t_score is not None
    assert high.dxa.t_score > low.dxa.t_score + 2
    contrast = []
    for one in (low, high):
        box = next(b for b in one.images[View.LATERAL].boxes if b.level is VertebralLevel.L3)
        rows = slice(int(box.y0) + 6, int(box.y1) - 6)
        stored = one.images[View.LATERAL].stored.astype(float)
        body = stored[rows, int(box.x0) + 4 : int(box.x1) - 4].mean()
        front = stored[rows, int(box.x0) - 14 : int(box.x0) - 4].mean()
        contrast.append(body - front)
    assert contrast[1] > contrast[0]


def test_a_cohort_reads_like_a_hospitals(cohort: Path) -> None:
    index = index_cohort(cohort)
    assert len(index.studies) == 4
    assert {s.path.name for s in index.skipped} == {"cohort.csv", "rois.csv", "simulation.json", "patient.json"}
    study = index.studies[0]
    assert study.ap is not None and study.lateral is not None and study.dxa is not None
    image, header = read_radiograph(study.ap, keep_full_range=True)
    assert image.view is View.AP and image.bits == 12 and image.full_range is not None
    assert header.covariates.sex is study.covariates.sex


def test_sites_differ_in_photometric_and_spacing(cohort: Path) -> None:
    found = {}
    for path in sorted(cohort.glob("*/AP.dcm")):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        spacing = SpacingSource.PIXEL_SPACING if "PixelSpacing" in ds else SpacingSource.IMAGER_PIXEL_SPACING
        found[ds.StationName] = (ds.PhotometricInterpretation, spacing, int(ds.KVP))
        assert "In-silico" in ds.ImageComments
    assert found["SIM-A"] == ("MONOCHROME2", SpacingSource.IMAGER_PIXEL_SPACING, 70)
    assert found["SIM-C"][0] == "MONOCHROME1" and found["SIM-C"][2] == 75


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
    ],
)
def test_an_impossible_plan_writes_nothing(tmp_path: Path, plan: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate_cohort(SimulationPlan(tmp_path / "new", **plan))
    assert not (tmp_path / "new").exists()


def test_an_anatomy_folder_without_bones_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnatomyError, match="bodyparts3d is needed"):
        load_anatomies(tmp_path)
    (tmp_path / "bodyparts3d").mkdir()
    with pytest.raises(AnatomyError, match="no file T10_FJ"):
        load_anatomies(tmp_path)
