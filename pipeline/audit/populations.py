"""Table 1 of a simulated cohort by site, and that of the paper."""

from __future__ import annotations

from cohort.bmd import BMD_CLASSES
from cohort.io.tables.cohort_tables import CohortRow
from cohort.study import Study
from pipeline.audit.patients import SimulatedPatients
from pipeline.evaluation.report.published import TABLE_1
from pipeline.evaluation.studies.population import MeanSd, Population, population, population_tests

TOTAL = "total"

PUBLISHED = {
    site: Population(
        studies=int(row["n"]),
        age_years=MeanSd(row["age_mean"], row["age_sd"]),
        men=int(row["men"]),
        women=int(row["n"] - row["men"]),
        bmi_kg_m2=MeanSd(row["bmi_mean"], row["bmi_sd"]),
        t_score=MeanSd(row["t_mean"], float("nan")),
        classes={c: int(row[c.value]) for c in BMD_CLASSES},
    )
    for site, row in TABLE_1.items()
}
"""Table 1 of Mao et al. 2022, which prints no SD of the T-score."""


def site_populations(patients: SimulatedPatients) -> dict[str, Population]:
    """Table 1 by site, the paper's sites first and in its order, and of all patients."""
    groups = _by_site(patients)
    order = [site for site in PUBLISHED if site in groups] + [site for site in groups if site not in PUBLISHED]
    every = [row for rows in groups.values() for row in rows]
    return {**{site: population(groups[site]) for site in order}, TOTAL: population(every)}


def site_tests(patients: SimulatedPatients) -> dict[str, float]:
    """p that sites are alike, by trait, as `population_tests` finds it; empty for one site."""
    groups = list(_by_site(patients).values())
    if len(groups) < 2:
        return {}
    return {name: test.p for name, test in population_tests(groups).items()}


def _by_site(patients: SimulatedPatients) -> dict[str, list[CohortRow]]:
    groups: dict[str, list[CohortRow]] = {}
    for study, site in zip(patients.studies, patients.sites, strict=True):
        groups.setdefault(site, []).append(_row(study))
    return groups


def _row(study: Study) -> CohortRow:
    return CohortRow(
        covariates=study.covariates,
        dxa=study.dxa,
        site=study.site,
        findings=study.findings,
        study_date=study.study_date,
        patient_id=study.patient_id,
    )
