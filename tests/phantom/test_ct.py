"""Radiographs of a labelled CT: a block phantom whose boxes are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
nibabel = pytest.importorskip("nibabel")

from typer.testing import CliRunner  # noqa: E402

from cli.main import app  # noqa: E402
from cohort.io.annotations import read_rois  # noqa: E402
from cohort.io.radiograph import read_radiograph  # noqa: E402
from cohort.io.tables.cohort_tables import read_cohort_csv  # noqa: E402
from cohort.spine import VertebralLevel, View  # noqa: E402
from osteolens.errors import AnatomyError  # noqa: E402
from phantom.ct import ct_study  # noqa: E402
from phantom.soft_tissue.habitus import read_ct  # noqa: E402

pytestmark = pytest.mark.train

STEP_MM = 4.0
BODY_VOXELS = (11, 7, 7)
PITCH_VOXELS = 9


@pytest.fixture(scope="module")
def phantom_ct(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An oval of water with six bony blocks and a canal behind them, in RAS; L3 in the middle."""
    shape = (80, 60, 90)
    x, y, z = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    inside = ((x - 40) / 36) ** 2 + ((y - 30) / 24) ** 2 < 1
    hu = np.where(inside, 40.0, -1000.0)
    label = np.zeros(shape, np.uint8)
    label[(abs(x - 40) <= 2) & (abs(y - 18) <= 2)] = 79
    for k in range(-2, 4):
        middle = 45 + k * PITCH_VOXELS
        block = (abs(x - 40) <= 5) & (abs(y - 25) <= 3) & (abs(z - middle) <= 3)
        arch = (abs(x - 40) == 4) & (y >= 12) & (y <= 20) & (abs(z - middle) < 2)
        label[block | arch] = 29 + k
        hu[block | arch] = 250.0
    folder = tmp_path_factory.mktemp("ct")
    affine = np.diag([STEP_MM, STEP_MM, STEP_MM, 1.0])
    paths = folder / "ct.nii.gz", folder / "labels.nii.gz"
    for path, data in zip(paths, (hu.astype(np.float32), label), strict=True):
        nibabel.save(nibabel.Nifti1Image(data, affine), path)
    return paths


def test_boxes_are_the_blocks_by_the_rule_and_the_blocks_are_bright(
    phantom_ct: tuple[Path, Path], tmp_path: Path
) -> None:
    assert ct_study(*phantom_ct, tmp_path / "out") == 12
    rois = read_rois(tmp_path / "out" / "rois.csv")
    assert len(rois) == 2
    for (_, view), boxes in rois.items():
        assert [b.level.value for b in boxes] == ["T12", "L1", "L2", "L3", "L4", "L5"]
        radiograph = read_radiograph(tmp_path / "out" / "CT-ct" / f"{view}.dcm")
        assert radiograph.view is view and radiograph.pixel_spacing_mm is not None
        third = next(b for b in boxes if b.level is VertebralLevel.L3)
        across = STEP_MM * BODY_VOXELS[0 if view is View.AP else 1]
        width = (third.x1 - third.x0) * radiograph.pixel_spacing_mm[1]
        assert 1.08 < (width - 2) / across < 1.30, "magnified by a source at about a metre"
        pitch = (third.y1 - third.y0) * radiograph.pixel_spacing_mm[0] / (STEP_MM * PITCH_VOXELS)
        assert 1.08 < pitch < 1.35
        x0, y0, x1, y1 = (int(v) for v in third.corners)
        wide = x1 - x0
        bone = radiograph.pixels[y0 + 5 : y1 - 5, x0 + 5 : x1 - 5].mean()
        beside = radiograph.pixels[y0:y1, [max(0, x0 - wide // 3), min(x1 + wide // 3, radiograph.pixels.shape[1] - 1)]]
        assert bone > beside.mean() + 0.05


def test_the_same_seed_gives_the_same_film(phantom_ct: tuple[Path, Path], tmp_path: Path) -> None:
    for name in "ab":
        ct_study(*phantom_ct, tmp_path / name, seed=3)
    for view in View:
        first, second = (read_radiograph(tmp_path / name / "CT-ct" / f"{view}.dcm").pixels for name in "ab")
        assert np.array_equal(first, second)


def test_a_ct_that_cannot_be_used_is_refused(phantom_ct: tuple[Path, Path], tmp_path: Path) -> None:
    ct, labels = phantom_ct
    (tmp_path / "broken.nii.gz").write_bytes(b"nothing")
    with pytest.raises(AnatomyError, match="cannot be read as NIfTI"):
        read_ct(tmp_path / "broken.nii.gz", labels)
    stored = nibabel.load(labels)
    small = tmp_path / "small.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.asarray(stored.dataobj)[:40], stored.affine), small)
    with pytest.raises(AnatomyError, match="expected one isotropic grid"):
        read_ct(ct, small)
    bare = tmp_path / "bare.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.zeros(stored.shape, np.uint8), stored.affine), bare)
    with pytest.raises(AnatomyError, match="label 29"):
        read_ct(ct, bare)


def test_the_command_needs_both_files(phantom_ct: tuple[Path, Path], tmp_path: Path) -> None:
    ct, labels = phantom_ct
    result = CliRunner().invoke(app, ["simulate", str(tmp_path / "x"), "--ct", str(ct)])
    assert result.exit_code == 1 and "go together" in result.output
    result = CliRunner().invoke(
        app, ["simulate", str(tmp_path / "y"), "--ct", str(ct), "--ct-labels", str(labels), "--site", "test2"]
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "y" / "CT-ct" / "AP.dcm").is_file() and "12 boxes" in result.output


def test_a_second_ct_joins_the_cohort_and_the_first_stays(phantom_ct: tuple[Path, Path], tmp_path: Path) -> None:
    ct, labels = phantom_ct
    other = tmp_path / "a b.nii.gz"
    other.write_bytes(ct.read_bytes())
    ct_study(ct, labels, tmp_path / "out")
    before = (tmp_path / "out" / "rois.csv").read_text().splitlines()
    ct_study(other, labels, tmp_path / "out", "test2")
    rows = read_cohort_csv(tmp_path / "out" / "cohort.csv")
    assert rows["CT-ct"].site == "test1" and rows["CT-a_b"].site == "test2"
    assert set(before) <= set((tmp_path / "out" / "rois.csv").read_text().splitlines())
