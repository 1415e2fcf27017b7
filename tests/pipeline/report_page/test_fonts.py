"""Figures show signs of any script, or write them out."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from pipeline.report_page import fonts
from pipeline.report_page.figures import panel, save_figure


def test_signs_that_no_font_holds_are_written_as_code_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "families", lambda: (fonts.USUAL,))
    fonts._is_held.cache_clear()
    figure, axes = panel("ROC, \u540d\u53e4\u5c4b \u00fc", "x", "y")
    with warnings.catch_warnings(action="error"):
        save_figure(figure, tmp_path / "f")
    assert axes.get_title() == "ROC, U+540DU+53E4U+5C4B \u00fc"
    fonts._is_held.cache_clear()


def test_the_usual_font_comes_first() -> None:
    assert fonts.families()[0] == fonts.USUAL
