"""Settings are strict and say what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from detect.config import DetectionConfig
from osteolens.config import load_config
from osteolens.errors import ConfigError
from tests import ROOT


def test_command_line_beats_yaml_beats_default(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("nms_iou: 0.3\nmin_score: 0.2\n")
    config = load_config(DetectionConfig, path, ["min_score=0.4"])
    assert (config.min_score, config.nms_iou) == (0.4, 0.3)
    assert config.max_candidates == DetectionConfig().max_candidates


def test_an_unknown_key_gets_the_closest_match() -> None:
    with pytest.raises(ConfigError, match="did you mean 'min_score'"):
        load_config(DetectionConfig, overrides=["min_scor=0.4"])


def test_a_value_out_of_bounds_is_named() -> None:
    with pytest.raises(ConfigError, match="nms_iou"):
        load_config(DetectionConfig, overrides=["nms_iou=7"])


def test_an_override_needs_an_equals_sign() -> None:
    with pytest.raises(ConfigError, match="key=value"):
        load_config(DetectionConfig, overrides=["nms_iou"])


def test_yaml_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("- 1\n- 2\n")
    with pytest.raises(ConfigError, match="found list"):
        load_config(DetectionConfig, path)


def test_the_last_working_side_divides_the_crops_side() -> None:
    from classify.training.config import ClassifierTraining

    for text in ("stages=[[96, 3]]", "stages=[]", "stages=[[16, 1], [64, 1]]", "stages=[[640, 1], [64, 1]]"):
        with pytest.raises(ConfigError, match=r"'stages' = .*preprocess\.size_px, 128, the last one a divisor"):
            load_config(ClassifierTraining, None, [text])
    bodies = load_config(ClassifierTraining, None)
    assert bodies.preprocess.crops == 4 and bodies.pooled == "all" and bodies.stages[-1][0] == 128
    column = load_config(ClassifierTraining, ROOT / "scripts" / "column.yaml")
    assert column.preprocess.crops == 1 and column.pooled == "last" and column.preprocess.size_px == 512
