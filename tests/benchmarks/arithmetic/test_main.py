"""Accuracy against operations."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.arithmetic.__main__ import Variant, as_text, measured, with_classifier, with_detector
from cohort.io.annotations import read_rois
from cohort.io.folder import index_cohort
from cohort.spine import View
from pipeline.bundle.load import load_bundle
from tests import ROOT

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]
EXAMPLES = ROOT / "examples"


def test_fewer_pixels_cost_fewer_operations(tmp_path: Path) -> None:
    pytest.importorskip("ultralytics")
    bundle, studies, rois = load_bundle(), index_cohort(EXAMPLES).studies[:2], read_rois(EXAMPLES / "rois.csv")
    small = with_classifier(with_detector(bundle, 256, tmp_path), 64, tmp_path)
    shipped = measured(Variant(name="as shipped", bundle=bundle), studies, rois, tmp_path)
    fewer = measured(Variant(name="small", bundle=small, refine=False, views=(View.AP,)), studies, rois, tmp_path)
    assert shipped.iou > 0.85 and shipped.named == 1.0 and shipped.classified == 2
    assert shipped.gflop["detector"] == pytest.approx(8 * fewer.gflop["detector"], rel=0.01)  # one view, half the side
    assert 3 < shipped.gflop["classifier"] / fewer.gflop["classifier"] < 8 and fewer.gflop["segmenter"] == 0
    lines = as_text([shipped, fewer]).splitlines()
    assert len(lines) == 4 and lines[2].startswith("| as shipped | 8.")
