"""Crops of bodies are cached with what made them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cohort.io.annotations import Outlines, Rois, read_rois
from cohort.io.folder import index_cohort
from cohort.spine import VertebralLevel
from cohort.study import Findings
from detect.training.body_crops import build_store
from detect.training.config import SegmenterTraining
from tests import EXAMPLES


def outlines_of_boxes(rois: Rois) -> Outlines:
    return {
        key: {
            box.level: np.array([[box.x0, box.y0], [box.x1, box.y0], [box.x1, box.y1], [box.x0, box.y1]])
            for box in boxes
        }
        for key, boxes in rois.items()
    }


def test_bodies_follow_outlines_and_seed(tmp_path: Path) -> None:
    studies, rois = index_cohort(EXAMPLES).studies, read_rois(EXAMPLES / "rois.csv")
    outlines = outlines_of_boxes(rois)
    config = SegmenterTraining(bodies_an_image=2)
    first = np.array(build_store(studies, outlines, tmp_path / "crops.npy", config, 0).planes)
    again = np.array(build_store(studies, outlines, tmp_path / "crops.npy", config, 0).planes)
    np.testing.assert_array_equal(first, again)
    wider = {key: {level: p * 1.05 for level, p in own.items()} for key, own in outlines.items()}
    other = np.array(build_store(studies, wider, tmp_path / "crops.npy", config, 0).planes)
    assert other.shape != first.shape or not np.array_equal(other, first)


@pytest.mark.parametrize("setting", ["bodies_an_image", "beside_an_image", "distractor_fraction"])
def test_bodies_follow_every_setting_that_makes_them(tmp_path: Path, setting: str) -> None:
    """The number of places beside the spine once changed nothing where crops of an earlier run stood."""
    studies = index_cohort(EXAMPLES).studies[:1]
    outlines = outlines_of_boxes(read_rois(EXAMPLES / "rois.csv"))
    plain = SegmenterTraining(bodies_an_image=1, beside_an_image=1, distractor_fraction=0.0)
    first = len(build_store(studies, outlines, tmp_path / "crops.npy", plain, 0).planes)
    more = plain.model_copy(update={setting: 3 if setting != "distractor_fraction" else 1.0})
    assert len(build_store(studies, outlines, tmp_path / "crops.npy", more, 0).planes) > first


def test_losses_of_height_are_those_of_the_findings_now(tmp_path: Path) -> None:
    study = index_cohort(EXAMPLES).studies[0]
    outlines = outlines_of_boxes(read_rois(EXAMPLES / "rois.csv"))
    config = SegmenterTraining(bodies_an_image=8)
    for loss in (0.3, 0.45):
        read = replace(study, findings=Findings(height_loss={VertebralLevel.L2: loss}))
        targets = build_store([read], outlines, tmp_path / "crops.npy", config, 0).targets
        assert np.nanmax(targets[:, 0]) == pytest.approx(loss)
