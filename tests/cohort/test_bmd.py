"""WHO classes of T-scores."""

from __future__ import annotations

import pytest

from cohort.bmd import (
    BMD_CLASSES,
    NORMAL_FROM,
    OSTEOPOROSIS_INDEX,
    OSTEOPOROSIS_TO,
    BmdClass,
    DxaResult,
    classify_t_score,
)


@pytest.mark.parametrize(
    ("t_score", "expected"),
    [
        (-1.0, BmdClass.NORMAL),
        (-1.01, BmdClass.OSTEOPENIA),
        (-2.49, BmdClass.OSTEOPENIA),
        (-2.5, BmdClass.OSTEOPOROSIS),
        (NORMAL_FROM, BmdClass.NORMAL),
        (OSTEOPOROSIS_TO, BmdClass.OSTEOPOROSIS),
    ],
)
def test_who_classes_at_their_borders(t_score: float, expected: BmdClass) -> None:
    assert classify_t_score(t_score) is expected


def test_the_index_is_that_of_osteoporosis() -> None:
    assert BMD_CLASSES[OSTEOPOROSIS_INDEX] is BmdClass.OSTEOPOROSIS


def test_a_scan_without_t_score_has_no_class() -> None:
    assert DxaResult(t_score=None, bmd_g_cm2=0.9).bmd_class is None
    assert DxaResult(t_score=-3.0).bmd_class is BmdClass.OSTEOPOROSIS
