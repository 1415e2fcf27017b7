"""Soft tissue and labels of a real CT."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from osteolens.errors import AnatomyError
from phantom.soft_tissue.habitus import read_ct


def test_a_ct_that_cannot_be_used_is_refused(labelled_ct: tuple[Path, Path], tmp_path: Path) -> None:
    ct, labels = labelled_ct
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
