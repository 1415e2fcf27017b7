"""The paper's metrics agree with each other, so they were copied rightly."""

from __future__ import annotations

import pytest

from pipeline.evaluation.report.published import CONFUSION, ROWS
from pipeline.evaluation.statistics.intervals import BinaryCounts


@pytest.mark.parametrize("dataset", ["validation", "test1", "test2"])
def test_table_3_gives_the_images_alone_row_of_table_2(dataset: str) -> None:
    matrix = CONFUSION[dataset]
    tp, fn = matrix[2][2], matrix[2][0] + matrix[2][1]
    fp = matrix[0][2] + matrix[1][2]
    tn = sum(map(sum, matrix)) - tp - fn - fp
    (row,) = (row for row in ROWS if (row.table, row.dataset, row.projection) == (2, dataset, "AP and LAT"))
    for name, found in BinaryCounts(tp, fn, fp, tn).metrics().items():
        if name != "accuracy":
            assert 100 * found.value == pytest.approx(getattr(row, name), abs=0.006)


def test_every_interval_holds_its_auc() -> None:
    assert len(ROWS) == 18
    for row in ROWS:
        assert row.auc.low < row.auc.value < row.auc.high
