"""What a result depends on."""

from __future__ import annotations

import pytest

from pipeline.screening.config import ScreeningConfig


def test_results_of_an_older_program_are_not_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    now = ScreeningConfig().digest()
    monkeypatch.setattr("pipeline.screening.config.RECIPE", 1)
    assert ScreeningConfig().digest() != now


def test_what_changes_no_result_lets_a_run_go_on() -> None:
    assert ScreeningConfig(jobs=3, overlays=False).digest() == ScreeningConfig().digest()
    assert ScreeningConfig(refine=False).digest() != ScreeningConfig().digest()
