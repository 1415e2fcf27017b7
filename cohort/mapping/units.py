"""Units of a column: by the words of its header or of a cell, and by the range of its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from cohort.io.tables.words import plain

UNIT_WORDS: Mapping[str, Mapping[str, str]] = {
    "height_cm": {
        "cm": "cm, centimeter, centimetre, zentimeter, centimetres, centimetros, 厘米, 公分, センチ",
        "m": "m, meter, metre, metros, metres, 米, メートル",
        "mm": "mm, millimeter, millimetre",
        "in": "in, inch, inches, zoll, pouces, pulgadas, polegadas, 英寸, インチ",
    },
    "weight_kg": {
        "kg": "kg, kgs, kilo, kilos, kilogram, kilograms, kilogramm, kilogrammes, kilogramos, quilos, 公斤, 千克",
        "lb": "lb, lbs, pound, pounds, libras, livres, 磅, ポンド",
        "jin": "jin, 斤, 市斤",
        "g": "g, gram, grams, gramm",
    },
    "bmi_kg_m2": {"kg/m2": "kg/m2, kg m 2, kgm2, kg qm"},
    "bmd_g_cm2": {"g/cm2": "g/cm2, gcm2, g cm 2, g qcm", "mg/cm2": "mg/cm2, mgcm2, mg cm 2"},
    "age_years": {
        "years": "years, year, yrs, yr, y, jahre, jahr, j, in jahren, ans, an, annees, anos, ano, 岁, 周岁, 歳, 才, 年",
        "months": "months, monate, mois, meses, 月, 个月",
    },
    "t_score": {"SD": "sd, standard deviation, standard deviations, standardabweichung, sd units"},
    "cobb_deg": {"degrees": "degrees, degree, grad, degres, grados, graus, 度, deg"},
    "menopause_age_years": {"years": "years, year, yrs, y, jahre, j, ans, anos, 岁, 歳"},
}
"""Words of the units in which a column may stand, by the unit that columns.yaml names."""

PLAUSIBLE: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "height_cm": {"cm": (110, 215), "m": (1.1, 2.15), "mm": (1100, 2150), "in": (43, 85)},
    "weight_kg": {"kg": (25, 190), "lb": (55, 420), "jin": (50, 380), "g": (25e3, 190e3)},
    "bmi_kg_m2": {"kg/m2": (11, 65)},
    "bmd_g_cm2": {"g/cm2": (0.25, 2.2), "mg/cm2": (250, 2200)},
    "age_years": {"years": (14, 112), "months": (240, 1300)},
    "menopause_age_years": {"years": (25, 65)},
    "t_score": {"SD": (-8, 8)},
    "cobb_deg": {"degrees": (0, 120)},
}
"""Lowest and highest value of an adult by unit; those of weight overlap."""

MEDIANS_KG = 38, 95
"""Median of a column of weights that is in kg where the header names no unit.

Source: mean weights of adults by country run from 50 to 90 kg (NCD-RisC 2016), which are 110 to 198 lb.
"""

ENOUGH = 0.95
"""Least fraction of a column's numbers that lie in the range of its unit."""


def unit_of_word(column: str, word: str) -> str | None:
    """The unit of a column that a word names."""
    wanted = _compact(word)
    for unit, words in UNIT_WORDS.get(column, {}).items():
        if wanted in {_compact(one) for one in words.split(",")}:
            return unit
    return None


def units_of_range(column: str, values: Sequence[float]) -> tuple[str, ...]:
    """Units in which nearly all numbers of a column would be those of adults."""
    return tuple(
        unit for unit, (low, high) in PLAUSIBLE.get(column, {}).items()
        if values and sum(low <= value <= high for value in values) >= ENOUGH * len(values)
    )  # fmt: skip


def units_that_fit(column: str, values: Sequence[float]) -> tuple[str, ...]:
    """As `units_of_range`; of weights kg alone where their median is one of kg and of nothing else."""
    fitting = units_of_range(column, values)
    if column == "weight_kg" and "kg" in fitting and MEDIANS_KG[0] <= median(values) <= MEDIANS_KG[1]:
        return ("kg",)
    return fitting


def _compact(text: str) -> str:
    return "".join(c for c in plain(text) if c.isalnum())
