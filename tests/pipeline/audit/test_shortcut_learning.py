"""Signal is told from noise, and unreadable images count as zeros."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cohort.io.annotations import read_rois
from cohort.io.folder import index_cohort
from pipeline.audit.shortcut_learning import FeatureGroup, cross_validated_auc, shortcut_aucs, shortcut_features
from tests.conftest import MakeDicom
from tests.pipeline.audit.made_up import write_cohort


def test_aucs_tell_signal_from_noise() -> None:
    rng = np.random.default_rng(1)
    positive = rng.random(300) < 0.3
    noise, signal = rng.normal(size=(300, 3)), positive[:, None] + rng.normal(0, 0.3, (300, 1))
    aucs = shortcut_aucs({FeatureGroup.NAME: noise, FeatureGroup.HEADER: signal}, positive)
    assert aucs[FeatureGroup.HEADER] > 0.97 and 0.35 < aucs[FeatureGroup.NAME] < 0.65
    assert cross_validated_auc(noise, np.zeros(300, bool)) == 0.5


def test_features_are_what_files_and_names_say(tmp_path: Path, make_dicom: MakeDicom) -> None:
    folder = write_cohort(tmp_path, make_dicom)
    studies = sorted(index_cohort(folder).studies, key=lambda study: study.patient_id)[:3]
    told: list[int] = []
    features = shortcut_features(studies, read_rois(folder / "rois.csv"), lambda done, _: told.append(done))
    assert told == [1, 2, 3] and features[FeatureGroup.SIZE].tolist() == [[64, 48, 64, 48]] * 3
    assert features[FeatureGroup.NAME][:, :2].tolist() == [[0, 0], [1, 1], [2, 2]]
    assert features[FeatureGroup.HEADER][0, 1] == pytest.approx(2000)
    groups = [features[group] for group in FeatureGroup if group is not FeatureGroup.ALL]
    assert np.array_equal(features[FeatureGroup.ALL], np.concatenate(groups, 1))


def test_an_unreadable_view_gives_zeros(tmp_path: Path, make_dicom: MakeDicom) -> None:
    folder = write_cohort(tmp_path, make_dicom)
    study = next(study for study in index_cohort(folder).studies if study.patient_id == "P003")
    (folder / "P003" / "AP.dcm").write_bytes(b"broken")
    features = shortcut_features([study], read_rois(folder / "rois.csv"))
    assert features[FeatureGroup.SIZE].tolist() == [[0, 0, 64, 48]]
    assert not features[FeatureGroup.ROI_STATISTICS][0, :9].any() and features[FeatureGroup.ROI_STATISTICS][0, 9] > 0
