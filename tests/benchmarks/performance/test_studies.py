"""Studies that are made for timing are what the program takes them for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.performance.studies import examples, larger_study, many_headers, write_manifest
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph


def test_a_manifest_names_the_same_files_again_and_again(tmp_path: Path) -> None:
    index = index_cohort(write_manifest(tmp_path / "many.csv", examples(), 14))
    assert len(index.studies) == 14 and not index.skipped
    assert len({study.study_uid for study in index.studies}) == 14
    assert len({study.ap for study in index.studies}) == 6


def test_many_headers_are_as_many_studies_of_two_views(tmp_path: Path) -> None:
    many_headers(tmp_path, 8)
    index = index_cohort(tmp_path)
    assert len(index.studies) == 4 and not index.skipped
    assert all(study.ap and study.lateral and not study.further for study in index.studies)
    assert len({study.patient_id for study in index.studies}) == 4


def test_a_larger_study_shows_the_same_at_its_own_spacing(tmp_path: Path) -> None:
    study = examples()[0]
    larger = larger_study(study, 1400, tmp_path / "larger")
    assert study.ap is not None and larger.ap is not None
    before, after = read_radiograph(study.ap), read_radiograph(larger.ap)
    assert max(after.pixels.shape) == 1400
    scale = 1400 / max(before.pixels.shape)
    if before.pixel_spacing_mm is not None:
        assert after.pixel_spacing_mm == pytest.approx([mm / scale for mm in before.pixel_spacing_mm], rel=1e-3)
    assert abs(float(np.mean(after.pixels)) - float(np.mean(before.pixels))) < 0.02
