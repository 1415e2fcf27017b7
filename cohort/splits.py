"""Splits by patient, seeded and written down."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np
import pandas as pd

from cohort.study import Study
from osteolens.atomic import write_csv
from osteolens.errors import ConfigError


class Split(StrEnum):
    """What the studies of a site, or of a patient, are for; `validation` and `test...` are names of sites too."""

    TRAINING = "training"
    VALIDATION = "validation"
    TEST = "test"


def split_of(site: str | None) -> Split:
    """Split of a site by its name: `validation`; `test`, `test1`, `test-2` and so on; any other is training."""
    if site == Split.VALIDATION:
        return Split.VALIDATION
    return Split.TEST if is_test_site(site) else Split.TRAINING


def is_test_site(site: str | None) -> bool:
    """Whether a site's studies are for evaluation alone, by its name (`test`, `test1`, `test-2`)."""
    return site is not None and site.lower().startswith(Split.TEST)


def split_by_patient(studies: Sequence[Study], fraction: float, seed: int) -> tuple[list[Study], list[Study]]:
    """Training and held-out studies; all studies of a patient fall on one side.

    Args:
        studies: to split.
        fraction: of the patients that are held out.
        seed: of the order in which they are taken.

    Raises:
        ConfigError: fewer than two patients.
    """
    patients = sorted({study.patient_id for study in studies})
    if len(patients) < 2:
        raise ConfigError(f"{len(patients)} patient found; a split needs at least 2, or give --validation")
    order = np.random.default_rng(seed).permutation(len(patients))
    held = {patients[k] for k in order[: max(1, round(fraction * len(patients)))]}
    return [s for s in studies if s.patient_id not in held], [s for s in studies if s.patient_id in held]


def write_split(training: Sequence[Study], held_out: Sequence[Study], path: Path) -> None:
    """split.csv: study_uid, patient_id, split.

    Raises:
        OutputError: the table cannot be written.
    """
    sides = ((Split.TRAINING, training), (Split.VALIDATION, held_out))
    rows = [(study.study_uid, study.patient_id, split.value) for split, side in sides for study in side]
    write_csv(path, pd.DataFrame(rows, columns=["study_uid", "patient_id", "split"]))
