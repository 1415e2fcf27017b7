"""Figures of a fit come back from its file as they were."""

from __future__ import annotations

import json
import math

from benchmarks.few_films.figures import Row
from pipeline.evaluation.statistics.intervals import Estimate


def test_a_row_comes_back_from_its_file_as_it_was() -> None:
    halfway = Estimate(0.6124999, 0.6125004, 1 / 3)
    row = Row(
        way="head",
        patients=12,
        repeat=0,
        training=9,
        validation=3,
        calibrated=False,
        seconds=1.5,
        figures={"t_mae": halfway, "ece": Estimate(math.nan, math.nan, math.nan)},
        differences={"t_mae": halfway},
    )
    found = Row.from_json(json.loads(json.dumps(row.as_json())))
    assert found.figures["t_mae"] == halfway and found.differences == row.differences
    assert math.isnan(found.figures["ece"].value)
    assert f"{found.figures['t_mae'].low:.3f}" == "0.613", "a rerun prints what the first run printed"
