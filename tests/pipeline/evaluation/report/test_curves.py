"""Figures of a dataset: what is drawn is what the numbers say, and few studies give a word instead."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from cohort.bmd import BmdClass
from pipeline.evaluation.classification.cases import EvaluatedCases
from pipeline.evaluation.report.curves import (
    COLOURS,
    LINES,
    MOST_ROC_POINTS,
    calibration_figure,
    decision_figure,
    roc,
    roc_figure,
    t_score_figure,
)


def made_up(n: int, seed: int = 0) -> EvaluatedCases:
    rng = np.random.default_rng(seed)
    t_scores = rng.normal(-1.8, 1.3, n)
    labels = np.where(t_scores <= -2.5, 2, np.where(t_scores < -1, 1, 0)).astype(np.int64)
    logits = rng.normal(0, 1, (n, 3)) + 2 * np.eye(3)[labels]
    return EvaluatedCases(
        labels=labels,
        probabilities=np.exp(logits) / np.exp(logits).sum(1, keepdims=True),
        t_scores=t_scores,
        t_estimates=t_scores + rng.normal(0.2, 0.5, n),
        prediction_sets=[frozenset()] * n,
        decisions=[None] * n,
        patients=np.arange(n),
    )


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]


def test_the_legend_of_a_roc_curve_tells_its_area() -> None:
    cases = made_up(3000)
    curve = roc(cases, BmdClass.OSTEOPOROSIS)
    assert curve is not None
    figure = roc_figure("ROC", {"osteoporosis": curve}, COLOURS, LINES)
    (line, _) = figure.axes[0].get_lines()
    drawn = np.trapezoid(np.asarray(line.get_ydata()), np.asarray(line.get_xdata()))
    area = float(np.trapezoid(curve[1], curve[0]))
    assert drawn == pytest.approx(area, abs=1e-3) and f"osteoporosis {area:.3f}" in words(figure)
    assert len(np.asarray(line.get_xdata())) <= MOST_ROC_POINTS


def test_one_class_alone_has_no_curve() -> None:
    cases = made_up(20)
    alone = EvaluatedCases(**{**{n: getattr(cases, n) for n in cases.__slots__}, "labels": np.full(20, 2)})
    assert roc(alone, BmdClass.OSTEOPOROSIS) is None
    assert "one class alone: no curve" in words(roc_figure("ROC", {}, COLOURS, LINES))


def test_calibration_has_curve_interval_ideal_and_histogram() -> None:
    figure = calibration_figure("all", made_up(500))
    upper, lower = figure.axes
    assert {"ideal", "smoothed", "95 % interval", "osteoporosis", "others"} <= set(words(figure))
    counted = [patch.get_height() for patch in lower.patches if isinstance(patch, Rectangle)]
    assert sum(counted) == 500 and len(upper.collections) == 1
    assert "too few studies for a curve" in words(calibration_figure("few", made_up(8)))


def test_the_decision_curve_shows_both_references() -> None:
    cases = made_up(500)
    figure = decision_figure("all", cases)
    curve, everyone, no_one = figure.axes[0].get_lines()
    prevalence = cases.positive.mean()
    thresholds = np.asarray(everyone.get_xdata())
    expected = prevalence - (1 - prevalence) * thresholds / (1 - thresholds)
    assert np.asarray(everyone.get_ydata()) == pytest.approx(expected)
    assert np.asarray(no_one.get_ydata()) == pytest.approx(0)
    assert np.asarray(curve.get_ydata())[20] > max(expected[20], 0)


def test_many_points_are_stored_as_pixels_and_limits_are_told() -> None:
    cases = made_up(3000)
    figure = t_score_figure("all", cases)
    gap = cases.t_estimates - cases.t_scores
    assert figure.axes[0].collections[0].get_rasterized()
    assert f"{gap.mean():+.2f}" in words(figure) and f"{gap.mean() + 1.96 * gap.std(ddof=1):+.2f}" in words(figure)
    assert not t_score_figure("few", made_up(50)).axes[0].collections[0].get_rasterized()
