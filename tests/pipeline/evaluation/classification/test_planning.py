"""Sample sizes of a planned study by their formulas."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest

from pipeline.evaluation.classification.metrics import ClassificationMetrics, classification_metrics
from pipeline.evaluation.classification.planning import sample_sizes
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.tables.osteoporosis import sample_size_table
from tests.pipeline.evaluation.classification.made_up import binary_cases

CONFIG = EvaluationConfig()
Z = 1.959963984540054


def metrics() -> ClassificationMetrics:
    """Sensitivity 0.8, specificity 0.9, prevalence 0.2."""
    positive = np.repeat([1, 0], [20, 80])
    probabilities = np.concatenate((np.linspace(0.51, 0.9, 16), [0.4, 0.3, 0.2, 0.1], np.linspace(0.55, 0.8, 8),
                                    np.linspace(0.05, 0.45, 72)))  # fmt: skip
    return classification_metrics(binary_cases(positive, probabilities), draws=1)


def test_sensitivity_and_specificity_take_the_studies_of_the_formula() -> None:
    sensitivity, specificity, _, _ = sample_sizes(metrics(), CONFIG)
    assert (sensitivity.expected, sensitivity.prevalence) == pytest.approx((0.8, 0.2))
    assert sensitivity.studies == ceil(Z**2 * 0.8 * 0.2 / 0.05**2 / 0.2) == 1230
    assert sensitivity.cases == 246
    assert specificity.studies == ceil(Z**2 * 0.9 * 0.1 / 0.05**2 / 0.8) == 173


def test_settings_change_the_plan() -> None:
    plain = sample_sizes(metrics(), CONFIG)
    for change, place in (
        ({"prevalence": 0.1}, 0),
        ({"planned_half_width": 0.1}, 1),
        ({"planned_auc_half_width": 0.05}, 2),
        ({"planned_margin": 0.1}, 3),
        ({"planned_correlation": 0.8}, 3),
    ):
        changed = sample_sizes(metrics(), CONFIG.model_copy(update=change))
        assert changed[place].studies != plain[place].studies
    assert sample_sizes(metrics(), CONFIG.model_copy(update={"prevalence": 0.1}))[0].studies == 2459


def test_figures_without_a_spread_cannot_tell() -> None:
    perfect = classification_metrics(binary_cases([1, 1, 0, 0], [0.9, 0.8, 0.1, 0.2]), draws=1)
    sizes = sample_sizes(perfect, CONFIG)
    assert all(size.studies is None for size in sizes)
    assert sizes[0].not_estimable["studies"] == "not estimable: 1 here, and a plan needs a value between 0 and 1"
    alone = sample_sizes(classification_metrics(binary_cases([0, 0, 0], [0.1, 0.2, 0.6]), draws=1), CONFIG)
    assert alone[0].not_estimable["studies"] == "not estimable: one class only"
    assert alone[1].not_estimable["studies"].endswith("prevalence of 0 here; give the setting prevalence")
    planned = sample_sizes(classification_metrics(binary_cases([0, 0, 0], [0.1, 0.2, 0.6]), draws=1),
                           EvaluationConfig(prevalence=0.5))  # fmt: skip
    assert planned[0].studies is None and planned[1].studies == ceil(Z**2 * (2 / 9) / 0.05**2 / 0.5)


def test_the_table_has_a_line_for_each_aim() -> None:
    table = sample_size_table({"all": sample_sizes(metrics(), CONFIG)})
    assert list(table["studies needed"])[:2] == ["1230", "173"] and len(table) == 4
    assert "interval of +/- 5 %" in str(table.loc[0, "aim"]) and table.loc[0, "prevalence %"] == "20.0"
