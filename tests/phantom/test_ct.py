"""Radiographs of a labelled CT: a block phantom whose boxes are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cli.main import app
from cohort.io.annotations import read_rois
from cohort.io.radiograph import read_radiograph
from cohort.io.tables.cohort_tables import read_cohort_csv
from cohort.spine import VertebralLevel, View
from osteolens.errors import ConfigError
from phantom.ct import CtStudy, simulate_ct
from phantom.xray.system import SimulatedSite
from tests.phantom.builders import BODY_VOXELS, CT_STEP_MM, PITCH_VOXELS

pytestmark = pytest.mark.train


def test_boxes_are_the_blocks_by_the_rule_and_the_blocks_are_bright(
    labelled_ct: tuple[Path, Path], tmp_path: Path
) -> None:
    assert simulate_ct(*labelled_ct, tmp_path / "out") == CtStudy("CT-ct", 12)
    rois = read_rois(tmp_path / "out" / "rois.csv")
    assert len(rois) == 2
    for (_, view), boxes in rois.items():
        assert [b.level.value for b in boxes] == ["T12", "L1", "L2", "L3", "L4", "L5"]
        radiograph = read_radiograph(tmp_path / "out" / "CT-ct" / f"{view}.dcm")
        assert radiograph.view is view and radiograph.pixel_spacing_mm is not None
        third = next(b for b in boxes if b.level is VertebralLevel.L3)
        across = CT_STEP_MM * BODY_VOXELS[0 if view is View.AP else 1]
        width = (third.x1 - third.x0) * radiograph.pixel_spacing_mm[1]
        assert 1.08 < (width - 2) / across < 1.30, "magnified by a source at about a metre"
        pitch = (third.y1 - third.y0) * radiograph.pixel_spacing_mm[0] / (CT_STEP_MM * PITCH_VOXELS)
        assert 1.08 < pitch < 1.35
        x0, y0, x1, y1 = (int(v) for v in third.corners)
        wide = x1 - x0
        bone = radiograph.pixels[y0 + 5 : y1 - 5, x0 + 5 : x1 - 5].mean()
        beside = radiograph.pixels[y0:y1, [max(0, x0 - wide // 3), min(x1 + wide // 3, radiograph.pixels.shape[1] - 1)]]
        assert bone > beside.mean() + 0.05


def test_the_same_seed_gives_the_same_radiograph(labelled_ct: tuple[Path, Path], tmp_path: Path) -> None:
    for name in "ab":
        simulate_ct(*labelled_ct, tmp_path / name, seed=3)
    for view in View:
        first, second = (read_radiograph(tmp_path / name / "CT-ct" / f"{view}.dcm").pixels for name in "ab")
        assert np.array_equal(first, second)


def test_a_second_ct_joins_the_cohort_and_the_first_stays(labelled_ct: tuple[Path, Path], tmp_path: Path) -> None:
    ct, labels = labelled_ct
    other = tmp_path / "a b.nii.gz"
    other.write_bytes(ct.read_bytes())
    simulate_ct(ct, labels, tmp_path / "out")
    before = (tmp_path / "out" / "rois.csv").read_text().splitlines()
    simulate_ct(other, labels, tmp_path / "out", SimulatedSite.TEST2)
    rows = read_cohort_csv(tmp_path / "out" / "cohort.csv")
    assert rows["CT-ct"].site == "test1" and rows["CT-a_b"].site == "test2"
    assert set(before) <= set((tmp_path / "out" / "rois.csv").read_text().splitlines())


def test_the_command_tells_what_was_written(labelled_ct: tuple[Path, Path], tmp_path: Path) -> None:
    given = ["simulate", "ct", *map(str, labelled_ct), "--out", str(tmp_path), "--sites", "test2", "--json"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"folder": str(tmp_path), "patient_id": "CT-ct", "boxes": 12}
    assert read_cohort_csv(tmp_path / "cohort.csv")["CT-ct"].site == "test2"


def test_a_ct_is_not_added_to_a_hospitals_cohort(labelled_ct: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "hospital"
    out.mkdir()
    (out / "cohort.csv").write_text("patient_id,study_uid,t_score\np7,1.2.3,-2.6\n")
    with pytest.raises(ConfigError, match=r"cohort\.csv .* is not simulated"):
        simulate_ct(*labelled_ct, out)
    assert [path.name for path in out.iterdir()] == ["cohort.csv"]
