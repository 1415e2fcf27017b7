"""The plausibility audit of a simulated cohort, as a type and as a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cohort.in_silico import IN_SILICO_NOTICE
from cohort.io.annotations import read_rois
from osteolens.extras import require
from osteolens.progress import Progress, silent
from phantom.cohort import young_adults
from phantom.plan import read_plan
from phantom.subject.population import YoungAdult
from pipeline.audit.checks import Check, bone_checks, population_checks, reader_check, shortcut_checks
from pipeline.audit.config import DEFAULT_AUDIT, AuditConfig
from pipeline.audit.figures import audit_figures
from pipeline.audit.oracle import OracleAuc, oracle_aucs
from pipeline.audit.patients import AuditedCohort, read_simulated_cohort
from pipeline.audit.populations import PUBLISHED, site_populations, site_tests
from pipeline.audit.shortcut_learning import shortcut_aucs, shortcut_features
from pipeline.audit.tables import CAPTIONS, check_table, excluded_table, oracle_table, population_table
from pipeline.evaluation.studies.population import MeanSd, Population
from pipeline.report_page.page import Page, write_page


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditOptions:
    """Options of an audit.

    Attributes:
        config: who is audited, and how much is measured.
        real: folder of real radiographs to show beside simulated ones.
        anatomy: folder of meshes that the cohort was simulated with, or None for the built-in anatomy.
        device: torch device of the simulation of young adults.
        jobs: processes of it.
    """

    config: AuditConfig = DEFAULT_AUDIT
    real: Path | None = None
    anatomy: Path | None = None
    device: str = "cpu"
    jobs: int = 1


DEFAULT_OPTIONS = AuditOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Result of a plausibility audit of a simulated cohort.

    Attributes:
        cohort: patients and who of them is eligible.
        population: Table 1 by site and in total.
        population_p: p that sites are alike, by trait.
        checks: every bound and whether it is kept.
        image_studies: studies whose images were searched for shortcuts.
        young_adults: that were simulated.
        dxa_error_g_cm2: DXA minus the true areal BMD within the same edges.
        oracle: AUC from the true bones by test site; empty without one.
    """

    cohort: AuditedCohort
    population: Mapping[str, Population]
    population_p: Mapping[str, float]
    checks: tuple[Check, ...]
    image_studies: int
    young_adults: int
    dxa_error_g_cm2: MeanSd
    oracle: tuple[OracleAuc, ...]

    @property
    def eligible(self) -> int:
        """Number of eligible patients."""
        return len(self.cohort.patients.studies)

    @property
    def passed(self) -> int:
        """Number of checks that pass."""
        return sum(check.passed for check in self.checks)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table of the report by name."""
        return {
            "excluded": excluded_table(self.cohort.excluded_for),
            "table_1_population": population_table(self.population, PUBLISHED, self.population_p),
            "oracle": oracle_table(self.oracle),
            "checks": check_table(self.checks),
        }

    def as_json(self) -> dict[str, object]:
        """Every metric."""
        return {
            "patients": self.cohort.count,
            "eligible": self.eligible,
            "excluded_for": dict(self.cohort.excluded_for),
            "population": {site: _population_json(row) for site, row in self.population.items()},
            "population_p": dict(self.population_p),
            "population_published": {site: _population_json(row) for site, row in PUBLISHED.items()},
            "checks": [{**asdict(check), "passed": check.passed} for check in self.checks],
            "passed": self.passed,
            "image_studies": self.image_studies,
            "young_adults": self.young_adults,
            "dxa_error_g_cm2": asdict(self.dxa_error_g_cm2),
            "oracle": [_oracle_json(row) for row in self.oracle],
        }


def audit_cohort(
    cohort: Path,
    out: Path | None = None,
    young: Sequence[YoungAdult] | None = None,
    options: AuditOptions = DEFAULT_OPTIONS,
    progress: Progress = silent,
) -> Audit:
    """Measure how plausible a simulated cohort is, and write report.html, audit.json, tables and figures.

    Args:
        cohort: folder of `osteolens simulate cohort`, with cohort.csv, rois.csv and readers.csv.
        out: folder to write, outside the cohort, since its pictures are no radiographs; nothing is written without it.
        young: simulated young adults; None simulates them from the plan that simulation.json keeps.
        options: settings, and what real radiographs are shown.
        progress: told after every young adult and every study whose images are read.

    Raises:
        ReadError: no eligible study, or a table without the columns that only a simulation has.
        ConfigError: simulation.json cannot be used, or the output folder cannot be written.
        MissingExtra: torch is not installed, and young adults are to be simulated.
    """
    if young is None:
        require("simulate audit", "torch")
    config = options.config
    read = read_simulated_cohort(cohort, config.criteria)
    patients = read.patients
    chosen = np.random.default_rng(0).permutation(len(patients.studies))[: config.image_studies]
    sampled, total = 0, len(chosen)
    if young is None:
        plan = read_plan(cohort, options.anatomy, options.device, options.jobs)
        sampled = 2 * config.young_adults
        total += sampled
        young = young_adults(plan, config.young_adults, lambda done, _: progress(done, total))
    images = [patients.studies[k] for k in chosen]
    features = shortcut_features(
        images, read_rois(cohort / "rois.csv"), lambda done, _: progress(sampled + done, total)
    )
    population, tests = site_populations(patients), site_tests(patients)
    error = patients.bmd_g_cm2 - patients.true_bmd_g_cm2
    audit = Audit(
        cohort=read,
        population=population,
        population_p=tests,
        checks=(
            *population_checks(population, tests),
            *bone_checks(patients, young),
            *shortcut_checks(patients, shortcut_aucs(features, patients.osteoporotic[chosen])),
            reader_check(cohort / "readers.csv"),
        ),
        image_studies=len(chosen),
        young_adults=len(young),
        dxa_error_g_cm2=MeanSd(float(np.nanmean(error)), float(np.nanstd(error, ddof=1))),
        oracle=oracle_aucs(patients),
    )
    if out is not None:
        write_audit(out, audit, young, options.real)
    return audit


def write_audit(out: Path, audit: Audit, young: Sequence[YoungAdult], real: Path | None = None) -> None:
    """Write report.html, audit.json, tables/*.csv and figures/* into a folder.

    Args:
        out: folder, made where it is missing.
        audit: of a cohort.
        young: the simulated young adults that it used.
        real: folder of real radiographs to show beside simulated ones.

    Raises:
        ConfigError: the folder cannot be written.
    """
    write_page(
        out,
        Page(
            package="pipeline.audit",
            name="audit",
            title="Plausibility audit of an in-silico cohort",
            notice=IN_SILICO_NOTICE,
            document=audit.as_json(),
            tables=audit.tables,
            table_captions=CAPTIONS,
            figures=audit_figures(audit.cohort.patients, audit.checks, young, real),
            context={"audit": audit},
        ),
    )


def _population_json(population: Population) -> dict[str, object]:
    document = asdict(population)
    return {**document, "classes": {c.value: count for c, count in population.classes.items()}}


def _oracle_json(row: OracleAuc) -> dict[str, object]:
    auc = {c.value: asdict(estimate) for c, estimate in row.auc.items()}
    return {"inputs": row.inputs.value, "site": row.site, "studies": row.studies, "auc": auc}
