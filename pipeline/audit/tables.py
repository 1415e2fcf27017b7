"""Tables of an audit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from cohort.bmd import BMD_CLASSES
from pipeline.audit.checks import TRAITS, Check
from pipeline.audit.oracle import OracleAuc
from pipeline.evaluation.estimable import interval_text
from pipeline.evaluation.studies.population import MeanSd, Population
from pipeline.report_page.captions import Caption
from pipeline.report_page.tables import p_value

CAPTIONS = {
    "excluded": Caption("Left out"),
    "table_1_population": Caption(
        "Population, simulated and published",
        "Mean (SD) or number (%). p: one-way analysis of variance or chi-squared between simulated sites, in small "
        "groups Kruskal-Wallis or exact tests; that of the classes stands under the first of them.",
    ),
    "oracle": Caption(
        "Oracle",
        "Upper bound: AUC of a quadratic logistic regression that is fitted on the training sites and given age, sex "
        "and BMI, without and with the true volumetric BMD, shell thickness and bone size.",
    ),
    "checks": Caption("Every check"),
}
"""Of the tables of an audit."""


def excluded_table(excluded_for: Mapping[str, int]) -> pd.DataFrame:
    """Patients by criterion that they miss."""
    return pd.DataFrame([{"criterion": reason, "patients": count} for reason, count in excluded_for.items()])


def population_table(
    simulated: Mapping[str, Population], published: Mapping[str, Population], tests: Mapping[str, float]
) -> pd.DataFrame:
    """Table 1 of the simulated cohort and of the paper, and p between the simulated sites."""
    rows = [_population_row(f"simulated, {site}", row) for site, row in simulated.items()]
    rows += [_population_row(f"Mao 2022, {site}", row) for site, row in published.items()]
    if tests:
        columns = {"age_years": "age, years", "sex": "men", "bmi_kg_m2": "BMI, kg/m²", "t_score": "T-score"}
        columns["bmd_class"] = BMD_CLASSES[0].value
        p = {columns[trait]: p_value(tests[trait]) for trait in TRAITS if trait in tests}
        rows.append({"patients of": "p between simulated sites", **p})
    return pd.DataFrame(rows)


def _population_row(name: str, population: Population) -> dict[str, object]:
    return {
        "patients of": name,
        "n": str(population.studies),
        "age, years": _mean_sd(population.age_years, 1),
        "men": _counted(population.men, population),
        "BMI, kg/m²": _mean_sd(population.bmi_kg_m2, 2),
        "T-score": _mean_sd(population.t_score, 2),
        **{c.value: _counted(population.classes[c], population) for c in BMD_CLASSES},
    }


def _mean_sd(values: MeanSd | None, digits: int) -> str:
    if values is None:
        return "-"
    return f"{values.mean:.{digits}f}" + (f" ({values.sd:.{digits}f})" if math.isfinite(values.sd) else "")


def _counted(count: int, population: Population) -> str:
    return f"{count} ({100 * count / population.studies:.1f} %)"


def check_table(checks: Sequence[Check]) -> pd.DataFrame:
    """Every check with its bounds."""
    rows = [
        {
            "about": check.kind.value,
            "check": check.name,
            "value": f"{check.value:.3f}" if math.isfinite(check.value) else "-",
            "from": f"{check.low:.2f}",
            "to": f"{check.high:.2f}",
            "source": check.source,
            "result": "pass" if check.passed else "FAIL",
        }
        for check in checks
    ]
    return pd.DataFrame(rows)


def oracle_table(oracle: Sequence[OracleAuc]) -> pd.DataFrame:
    """AUC by class with its interval, one line a test site and kind of input."""
    rows = [
        {
            "given": row.inputs.value,
            "site": row.site,
            "studies": row.studies,
            **{f"AUC of {c} (95 %, DeLong)": _auc_text(row, index) for index, c in enumerate(BMD_CLASSES)},
        }
        for row in oracle
    ]
    return pd.DataFrame(rows)


def _auc_text(row: OracleAuc, index: int) -> str:
    estimate = row.auc.get(BMD_CLASSES[index])
    return interval_text(estimate)
