"""Crops are cached with what made them, jittered, and displayed as another system might."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classify.config import PreprocessSpec
from classify.training.crops.build import build_crops
from classify.training.crops.cut import CropPlan
from cohort.io.annotations import Rois, read_rois
from cohort.io.folder import index_cohort
from cohort.spine import View
from tests import EXAMPLES


def moved(rois: Rois, by: float) -> Rois:
    return {key: tuple(replace(box, x0=box.x0 + by, x1=box.x1 + by) for box in boxes) for key, boxes in rois.items()}


def test_crops_are_cached_and_jittered(tmp_path: Path) -> None:
    studies = index_cohort(EXAMPLES).studies
    rois = read_rois(EXAMPLES / "rois.csv")
    spec = PreprocessSpec(size_px=64)
    first = build_crops(studies, rois, CropPlan(spec=spec, variants=2), tmp_path)
    assert first.images.shape == (6, 2, 2, 1, 64, 64)
    assert not np.array_equal(first.images[:, 0], first.images[:, 1])
    again = build_crops(studies, rois, CropPlan(spec=spec, variants=2), tmp_path)
    np.testing.assert_array_equal(first.images, again.images)
    (tmp_path / "features-of-two-variants.npy").touch()
    plain = build_crops(studies, rois, CropPlan(spec=spec), tmp_path)
    assert not list(tmp_path.glob("features-*")), "features go with the crops they are of"
    as_given = np.array(plain.images[:, 0])
    checks = build_crops(studies, rois, CropPlan(spec=spec, variants=3, first_as_given=True), tmp_path)
    np.testing.assert_array_equal(checks.images[:, 0], as_given)
    assert not np.array_equal(checks.images[:, 1], checks.images[:, 0])


def test_crops_follow_boxes_images_and_seed(tmp_path: Path) -> None:
    source, spec = tmp_path / "cohort", PreprocessSpec(size_px=64)
    shutil.copytree(EXAMPLES, source, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    studies, rois = index_cohort(source).studies, read_rois(source / "rois.csv")

    def crops(boxes: Rois, seed: int) -> np.ndarray:
        return np.array(
            build_crops(studies, boxes, CropPlan(spec=spec, variants=2, seed=seed), tmp_path / "cache").images
        )

    first = crops(rois, 0)
    assert not np.array_equal(crops(moved(rois, 9), 0), first) and not np.array_equal(crops(rois, 1), first)
    np.testing.assert_array_equal(crops(rois, 0), first)
    one, other = studies[0].ap, studies[1].ap
    assert one is not None and other is not None
    shutil.copy(other, one)
    assert not np.array_equal(crops(rois, 0), first), "another image under the same name"


def test_crops_carry_the_patient_of_each_study(tmp_path: Path) -> None:
    studies = index_cohort(EXAMPLES).studies
    visits = [replace(study, patient_id=f"p{k // 2}") for k, study in enumerate(studies)]
    rois, plan = read_rois(EXAMPLES / "rois.csv"), CropPlan(spec=PreprocessSpec(size_px=64))
    crops = build_crops(visits, rois, plan, tmp_path)
    assert crops.patient_ids == tuple(study.patient_id for study in visits if study.study_uid in crops.study_uids)
    lateral = crops.of_views([View.LATERAL])
    assert lateral.patient_ids == tuple(study.patient_id for study in visits if study.study_uid in lateral.study_uids)
    renamed = build_crops([replace(study, patient_id="one") for study in visits], rois, plan, tmp_path)
    assert set(renamed.patient_ids) == {"one"}, "a cache holds crops, and nothing of who the patient is"


def test_crops_are_the_same_with_one_core_and_with_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studies, rois = index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv")
    plan = CropPlan(spec=PreprocessSpec(size_px=64), variants=2)
    for cores in (1, 5):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        build_crops(studies, rois, plan, tmp_path / str(cores))
    one, many = ((tmp_path / cores / "crops.npy").read_bytes() for cores in ("1", "5"))
    assert one == many


def test_images_that_cannot_be_cropped_are_told_once_for_each_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    studies, rois = index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv")
    cut_off = {study.study_uid for study in studies[:3]}
    some = {
        key: tuple(box for box in boxes if key[0] not in cut_off or key[1] is View.AP or box.level != "L1")
        for key, boxes in rois.items()
    }
    damaged = tmp_path / "AP.dcm"
    damaged.write_bytes(b"nothing")
    given = [*studies[:5], replace(studies[5], ap=damaged)]
    crops = build_crops(given, some, CropPlan(spec=PreprocessSpec(size_px=64)), tmp_path / "crops")
    assert crops.present.tolist() == [[1, 0]] * 3 + [[1, 1]] * 2 + [[0, 1]]
    told = sorted(record.getMessage() for record in caplog.records)
    assert len(told) == 2 and told[0].startswith("1 image left out of training: AP.dcm: the content is no dcm image")
    assert told[1] == "3 images left out of training: LATERAL: no box for L1; expected L1, L2, L3, L4"
