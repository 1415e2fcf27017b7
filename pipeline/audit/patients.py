"""The eligible patients of a simulated cohort, with the true values of their bones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.covariates import Sex
from cohort.eligibility import EligibilityCriteria, exclusions
from cohort.io.folder import index_cohort
from cohort.study import Study
from osteolens.errors import ReadError

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

TRUTH = ("vbmd_mg_cm3", "shell_mm", "bone_size", "true_bmd_g_cm2", "posterior_share")
"""Columns of cohort.csv that only a simulated cohort has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedPatients:
    """Eligible patients; arrays are (n,), NaN where a value is not known.

    Attributes:
        studies: n studies with DXA.
        female: whether each patient is a woman.
        age_years: at the radiographs.
        bmi_kg_m2: body mass index.
        t_score: of L1-L4 by DXA.
        bmd_g_cm2: areal BMD of L1-L4 by DXA.
        true_bmd_g_cm2: areal BMD of the bones within the same edges, without fat and precision.
        vbmd_mg_cm3: trabecular volumetric BMD.
        shell_mm: thickness of the cortical shell.
        bone_size: size of the bones, 1 on average.
        posterior_fraction: of the mineral that lies in the posterior elements.
    """

    studies: tuple[Study, ...]
    female: Flags
    age_years: Floats
    bmi_kg_m2: Floats
    t_score: Floats
    bmd_g_cm2: Floats
    true_bmd_g_cm2: Floats
    vbmd_mg_cm3: Floats
    shell_mm: Floats
    bone_size: Floats
    posterior_fraction: Floats

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """(n,) class by DXA, index into BMD_CLASSES."""
        classes = [study.dxa.bmd_class for study in self.studies if study.dxa is not None]
        return np.array([BMD_CLASSES.index(c) for c in classes if c is not None], np.int64)

    @property
    def osteoporotic(self) -> Flags:
        """(n,) whether DXA says osteoporosis."""
        return np.asarray(self.labels == BMD_CLASSES.index(BmdClass.OSTEOPOROSIS))

    @property
    def sites(self) -> tuple[str, ...]:
        """Site of each patient."""
        return tuple(study.site or "unknown" for study in self.studies)

    @property
    def covariates(self) -> Floats:
        """Age, whether a man, and BMI, (n, 3)."""
        return np.stack((self.age_years, (~self.female).astype(float), self.bmi_kg_m2), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedCohort:
    """A simulated cohort folder.

    Attributes:
        folder: of the cohort.
        count: patients in all.
        excluded_for: how many patients miss each criterion, most frequent first.
        patients: those who are eligible.
    """

    folder: Path
    count: int
    excluded_for: Mapping[str, int]
    patients: SimulatedPatients


def read_simulated_cohort(folder: Path, criteria: EligibilityCriteria) -> AuditedCohort:
    """The patients of a folder of `osteolens simulate cohort` whom the criteria include.

    Raises:
        ReadError: no eligible patient, or cohort.csv lacks a column that only a simulation has.
    """
    studies = index_cohort(folder).studies
    reasons = {study.study_uid: exclusions(study, criteria) for study in studies}
    eligible = [study for study in studies if not reasons[study.study_uid]]
    path = folder / "cohort.csv"
    table = pd.read_csv(path) if path.is_file() else pd.DataFrame()
    missing = [name for name in ("study_uid", *TRUTH) if name not in table]
    if missing or not eligible:
        what = f"no columns {', '.join(missing)}" if missing else "no eligible patient"
        raise ReadError(f"{path}: {what}; expected a cohort of `osteolens simulate cohort`")
    return AuditedCohort(
        folder=folder,
        count=len(studies),
        excluded_for=dict(Counter(reason for missed in reasons.values() for reason in missed).most_common()),
        patients=_patients(eligible, table.set_index("study_uid")),
    )


def _patients(studies: Sequence[Study], table: pd.DataFrame) -> SimulatedPatients:
    truth = {name: table.loc[[study.study_uid for study in studies], name].to_numpy(float) for name in TRUTH}
    dxa = [study.dxa for study in studies]
    return SimulatedPatients(
        studies=tuple(studies),
        female=np.array([study.covariates.sex is Sex.FEMALE for study in studies]),
        age_years=np.array([study.covariates.age_years for study in studies], float),
        bmi_kg_m2=np.array([study.covariates.bmi_kg_m2 for study in studies], float),
        t_score=np.array([None if d is None else d.t_score for d in dxa], float),
        bmd_g_cm2=np.array([None if d is None else d.bmd_g_cm2 for d in dxa], float),
        true_bmd_g_cm2=truth["true_bmd_g_cm2"],
        vbmd_mg_cm3=truth["vbmd_mg_cm3"],
        shell_mm=truth["shell_mm"],
        bone_size=truth["bone_size"],
        posterior_fraction=truth["posterior_share"],
    )
