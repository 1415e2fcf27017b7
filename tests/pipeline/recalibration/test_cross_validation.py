"""What a recalibration is worth on patients that its fit did not see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from classify.calibration import Calibration
from pipeline.recalibration.config import RecalibrationConfig
from pipeline.recalibration.cross_validation import cross_validated, figures
from tests.pipeline.recalibration.test_refit import cases

CONFIG = RecalibrationConfig(bootstrap_draws=50)


def test_there_are_no_more_folds_than_the_rarest_class_has_studies() -> None:
    shown = cases(n=120, right=1.0)
    rare = replace(shown, labels=np.where((shown.labels == 0) & (np.arange(120) > 15), 1, shown.labels))
    told: list[tuple[int, int]] = []
    found = cross_validated(rare, Calibration(), CONFIG, lambda done, total: told.append((done, total)))
    assert found.folds == (rare.labels == 0).sum() == 6 and told[-1] == (6, 6)


def test_studies_of_a_patient_are_left_out_together() -> None:
    shown = cases(n=120)
    twins = replace(shown, patients=np.arange(120) % 60, t_estimates=shown.t_estimates - 1)
    found = cross_validated(twins, Calibration(), CONFIG)
    assert found.before.t_bias.high < -0.9 and abs(found.after.t_bias.value) < 0.1


def test_figures_are_those_of_the_stored_sets_and_probabilities() -> None:
    found = figures(cases(n=300, right=0.8))
    sure = cases(n=300, right=0.8)
    right = (sure.probabilities.argmax(1) == sure.labels).mean()
    assert np.isclose(found.log_loss, -(right * np.log(0.8) + (1 - right) * np.log(0.1)))
    assert found.coverage.value == 0 and found.set_size == 0, "these sets are empty"
    assert found.ruled_in == 100 and 0.6 < found.ppv.value < 0.95
