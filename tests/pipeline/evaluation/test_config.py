"""Settings of an evaluation: bounds, and what they say when they are missed."""

from __future__ import annotations

import pytest

from osteolens.config import load_config
from osteolens.errors import ConfigError
from pipeline.evaluation.config import EvaluationConfig


def test_thresholds_and_prevalence_are_taken_from_the_command_line() -> None:
    found = load_config(EvaluationConfig, None, ["decision_thresholds=[0.1, 0.25]", "prevalence=0.08"])
    assert found.decision_thresholds == (0.1, 0.25) and found.prevalence == 0.08
    assert EvaluationConfig().prevalence is None


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("decision_thresholds=[0.1, 1.2]", "1.2 is no threshold; expected probabilities above 0 and below 1"),
        ("decision_thresholds=[]", "at least 1 item"),
        ("prevalence=0", "prevalence"),
        ("predictive_value=0.4", "predictive_value"),
        ("planned_half_width=0", "planned_half_width"),
        ("planned_correlation=1", "planned_correlation"),
    ],
)
def test_values_out_of_bounds_are_refused(setting: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(EvaluationConfig, None, [setting])
    assert said in str(refused.value)
