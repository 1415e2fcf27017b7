"""Table 1."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from cohort.bmd import BMD_CLASSES
from pipeline.evaluation.studies.population import MeanSd, Population
from pipeline.report_page.tables import p_value


def population_table(populations: Mapping[str, Population], p: Mapping[str, float]) -> pd.DataFrame:
    """The paper's Table 1: one column a dataset, and whether sites differ."""
    lines: list[tuple[str, str, list[str]]] = [
        ("studies", "", [str(population.studies) for population in populations.values()]),
        ("age, years, mean (SD)", "age_years", [_mean_sd(population.age_years) for population in populations.values()]),
        ("men", "", [str(population.men) for population in populations.values()]),
        ("women", "sex", [str(population.women) for population in populations.values()]),
        ("BMI, kg/m², mean (SD)", "bmi_kg_m2", [_mean_sd(population.bmi_kg_m2) for population in populations.values()]),
        ("T-score, mean (SD)", "", [_mean_sd(population.t_score) for population in populations.values()]),
    ]
    for c in BMD_CLASSES:
        key = "bmd_class" if c is BMD_CLASSES[-1] else ""
        lines.append((c.value, key, [str(population.classes[c]) for population in populations.values()]))
    rows = [
        {"characteristic": name, **dict(zip(populations, cells, strict=True)), "p": p_value(p.get(key))}
        for name, key, cells in lines
    ]
    return pd.DataFrame(rows)


def _mean_sd(value: MeanSd | None) -> str:
    return "-" if value is None else f"{value.mean:.2f} ({value.sd:.2f})"
