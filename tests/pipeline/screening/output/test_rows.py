"""The line of a study in predictions.csv."""

from __future__ import annotations

from dataclasses import replace

from cohort.spine import View
from pipeline.prediction import ImageOutcome
from pipeline.screening.output.rows import row_of
from pipeline.screening.screener import Screener
from tests import EXAMPLES


def test_levels_are_those_of_the_views_that_the_class_comes_from(screener: Screener) -> None:
    prediction = screener.screen(EXAMPLES / "SIM0011-00002")
    assert {part.split(":")[0] for part in row_of(prediction, 0.0).levels.split()} == {"AP", "LATERAL"}
    images = tuple(
        replace(image, outcome=ImageOutcome.LEFT_OUT, reason="exposure") if image.view is View.AP else image
        for image in prediction.images
    )
    one_view = row_of(replace(prediction, images=images), 0.0)
    assert row_of(prediction, 0.0).views == "AP+LATERAL" and "+" not in one_view.views
    assert one_view.views == one_view.levels.split(":")[0], "a view that was left out is not named"
    assert one_view.levels.startswith("LATERAL:") and "AP:" not in one_view.levels
    failed = row_of(replace(prediction, images=images, failure="no image"), 0.0)
    assert "AP:" in failed.levels, "without a class, what was found"
