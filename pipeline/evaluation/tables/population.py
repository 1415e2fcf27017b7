"""Table 1, and evaluated studies beside the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pandas as pd

from cohort.bmd import BMD_CLASSES, BmdClass
from pipeline.evaluation.studies.population import EvaluatedOrNot, GroupTest, MeanSd, Missing, Population
from pipeline.report_page.tables import p_value

Cells = Callable[[Population], str]

NUMBERS = {"age_years": "age, years", "bmi_kg_m2": "BMI, kg/m²", "t_score": "T-score"}
"""Characteristics that are numbers, and their names in a table."""


def population_table(populations: Mapping[str, Population], tests: Mapping[str, GroupTest]) -> pd.DataFrame:
    """Table 1: one column a data set or another group, with p and the test by which it was found.

    Args:
        populations: by name.
        tests: whether they differ, by characteristic; empty where they are not compared.
    """
    rows = []
    for name, key, cells in _lines():
        test = tests.get(key)
        compared = {"p": "", "test": ""} if test is None else {"p": p_value(test.p), "test": test.test.value}
        rows.append(
            {"characteristic": name, **{group: cells(known) for group, known in populations.items()}, **compared}
        )
    return pd.DataFrame(rows)


def evaluated_or_not_table(compared: Mapping[str, EvaluatedOrNot | None]) -> pd.DataFrame:
    """Evaluated studies of each data set beside the others; data sets without both are left out."""
    parts = []
    for dataset, both in compared.items():
        if both is not None:
            part = population_table({"evaluated": both.evaluated, "not evaluated": both.not_evaluated}, both.tests)
            part.insert(0, "dataset", dataset)
            parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _lines() -> Iterator[tuple[str, str, Cells]]:
    """Name, test and cells of each line."""
    yield "studies", "", lambda known: str(known.studies)
    yield "patients", "", lambda known: "-" if known.patients is None else str(known.patients)
    yield from _number("age_years")
    yield "men", "sex", lambda known: _counted(known.men, known.men + known.women)
    yield "women", "", lambda known: _counted(known.women, known.men + known.women)
    yield _missing("sex", "sex")
    yield from _number("bmi_kg_m2")
    yield from _number("t_score")
    for k, c in enumerate(BMD_CLASSES):
        yield _class(c, "" if k else "bmd_class")


def _number(name: str) -> Iterator[tuple[str, str, Cells]]:
    title = NUMBERS[name]
    yield f"{title}, mean (SD)", name, lambda known: _mean_sd(getattr(known, name))
    yield f"{title}, median (IQR)", "", lambda known: _median(getattr(known, name))
    yield _missing(name, title.split(",")[0])


def _missing(name: str, title: str) -> tuple[str, str, Cells]:
    return f"{title} unknown, studies (patients)", "", lambda known: _unknown(known.missing.get(name))


def _class(name: BmdClass, key: str) -> tuple[str, str, Cells]:
    return name.value, key, lambda known: _counted(known.classes[name], sum(known.classes.values()))


def _unknown(missing: Missing | None) -> str:
    return "-" if missing is None else f"{missing.studies} ({missing.patients})" if missing.studies else "0"


def _counted(count: int, known: int) -> str:
    return f"{count} ({100 * count / known:.1f} %)" if known else str(count)


def _mean_sd(value: MeanSd | None) -> str:
    return "-" if value is None else f"{value.mean:.2f} ({value.sd:.2f})"


def _median(value: MeanSd | None) -> str:
    if value is None or value.median is None or value.quartiles is None:
        return "-"
    low, high = value.quartiles
    return f"{value.median:.2f} ({low:.2f} to {high:.2f})"
