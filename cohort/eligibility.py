"""Inclusion and exclusion criteria of the paper: who may be trained on and evaluated, and why the others may not."""

from __future__ import annotations

from pydantic import Field

from cohort.covariates import Sex
from cohort.study import Study
from osteolens.config import StrictConfig


class EligibilityCriteria(StrictConfig):
    """Criteria of Mao et al. 2022, "Patient cohort"; a value that is unknown excludes no study."""

    min_age_years: float = Field(50.0, ge=0, le=120, description="youngest age")
    max_dxa_days: int = Field(90, ge=0, description="most days between radiographs and DXA; the paper: within 3 months")
    max_cobb_deg: float = Field(
        20.0,
        ge=0,
        le=180,
        description="largest Cobb angle that is not a serious scoliosis; the paper gives no number, this one is ours",
    )
    max_fracture_grade: int = Field(
        0, ge=0, le=3, description="highest Genant grade of L1-L4 that is not a compression fracture"
    )


NO_T_SCORE = "no T-score"

DEFAULT_CRITERIA = EligibilityCriteria()


def reasons(criteria: EligibilityCriteria = DEFAULT_CRITERIA) -> tuple[str, ...]:
    """Every reason that `exclusions` can return, in the order of the paper's Figure 1."""
    return (
        f"younger than {criteria.min_age_years:g} years",
        "before menopause",
        NO_T_SCORE,
        f"DXA more than {criteria.max_dxa_days} days away",
        "implant or cement at L1-L4",
        f"scoliosis above {criteria.max_cobb_deg:g} degrees",
        "compression fracture at L1-L4",
        "exposure too poor",
    )


def exclusions(study: Study, criteria: EligibilityCriteria = DEFAULT_CRITERIA) -> tuple[str, ...]:
    """Every criterion that this study misses, in the order of the paper; empty when it is eligible."""
    covariates, findings = study.covariates, study.findings
    age, apart = covariates.age_years, _days_apart(study)
    menopause = findings.menopause_age_years if covariates.sex is Sex.FEMALE else None
    missed = (
        age is not None and age < criteria.min_age_years,
        age is not None and menopause is not None and age < menopause,
        study.dxa is None or study.dxa.t_score is None,
        apart is not None and apart > criteria.max_dxa_days,
        bool(findings.implant),
        findings.cobb_deg is not None and findings.cobb_deg > criteria.max_cobb_deg,
        findings.fracture_grade is not None and findings.fracture_grade > criteria.max_fracture_grade,
        findings.exposure_adequate is False,
    )
    return tuple(reason for reason, misses in zip(reasons(criteria), missed, strict=True) if misses)


def _days_apart(study: Study) -> int | None:
    if study.dxa is None or study.dxa.scan_date is None or study.study_date is None:
        return None
    return abs((study.dxa.scan_date - study.study_date).days)
