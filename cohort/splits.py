"""Splits by patient, seeded and written down."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cohort.study import Study
from osteolens.errors import ConfigError

VALIDATION_SITE = "validation"
"""Site whose studies are held out when no other validation cohort is named."""


def is_test_site(site: str | None) -> bool:
    """Whether a site's studies are for judging alone, as its name says (`test`, `test1`, `test-2`)."""
    return site is not None and site.lower().startswith("test")


def split_by_patient(studies: Sequence[Study], share: float, seed: int) -> tuple[list[Study], list[Study]]:
    """Training and held-out studies; all studies of a patient fall on one side.

    Raises:
        ConfigError: fewer than two patients.
    """
    patients = sorted({study.patient_id for study in studies})
    if len(patients) < 2:
        raise ConfigError(f"{len(patients)} patient found; a split needs at least 2, or give --validation")
    order = np.random.default_rng(seed).permutation(len(patients))
    held = {patients[k] for k in order[: max(1, round(share * len(patients)))]}
    return [s for s in studies if s.patient_id not in held], [s for s in studies if s.patient_id in held]


def write_split(training: Sequence[Study], held_out: Sequence[Study], path: Path) -> None:
    """split.csv: study_uid, patient_id, part."""
    rows = [
        (s.study_uid, s.patient_id, part)
        for part, side in (("training", training), ("validation", held_out))
        for s in side
    ]
    pd.DataFrame(rows, columns=["study_uid", "patient_id", "part"]).to_csv(path, index=False)
