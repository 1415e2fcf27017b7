"""What tests of the phantom share: one simulated patient, one written cohort, one labelled CT."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from phantom.patient import SimulatedPatient

if find_spec("torch") is None or find_spec("nibabel") is None:
    collect_ignore_glob = ["*"]


@pytest.fixture(scope="session")
def patient() -> SimulatedPatient:
    """Person 1 of seed 5, both views and DXA; not to be changed."""
    from phantom.subject.population import sample_person
    from tests.phantom.builders import simulated

    return simulated(sample_person(1, 5))


@pytest.fixture(scope="session")
def simulated_cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients of seed 9 at 1.2 mm, one of each site; not to be changed."""
    from phantom.cohort import simulate_cohort
    from phantom.plan import SimulationOptions

    out = tmp_path_factory.mktemp("simulated")
    assert simulate_cohort(out, 4, seed=9, options=SimulationOptions(spacing_mm=1.2)).simulated == 4
    return out


@pytest.fixture(scope="session")
def labelled_ct(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """CT and labels: an oval of water with six bony blocks and a canal behind them, in RAS; L3 in the middle."""
    import nibabel

    from tests.phantom.builders import CT_STEP_MM, PITCH_VOXELS

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
    affine = np.diag([CT_STEP_MM, CT_STEP_MM, CT_STEP_MM, 1.0])
    paths = folder / "ct.nii.gz", folder / "labels.nii.gz"
    for path, values in zip(paths, (hu.astype(np.float32), label), strict=True):
        nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return paths
