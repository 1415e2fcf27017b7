"""What is left to the start and to the size of the cohort, and which names are offered."""

from __future__ import annotations

import pytest

from detect.training.config import FEW_STUDIES, DetectorTraining, step_bytes
from osteolens.config import load_config
from osteolens.errors import ConfigError


def test_a_start_keeps_its_size_and_learns_slowly() -> None:
    new = DetectorTraining().settled(None, 16)
    assert (new.image_px, new.lr, new.freeze) == (512, 2e-3, 0)
    few = DetectorTraining().settled(416, FEW_STUDIES - 1)
    assert few.image_px == 416 and few.freeze == 10 and few.lr == 1e-4
    many = DetectorTraining().settled(512, 1000)
    assert many.freeze == 0 and many.lr == 2e-4
    given = DetectorTraining(image_px=256, lr=0.01, freeze=3).settled(512, 16)
    assert (given.image_px, given.lr, given.freeze) == (256, 0.01, 3)


def test_an_architecture_that_is_not_offered_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"setting 'model' is 'yolo11x', expected .*yolo11n.*yolo26n"):
        load_config(DetectorTraining, None, ["model=yolo11x"])


def test_larger_steps_need_more_memory() -> None:
    needed = [step_bytes(DetectorTraining(model=model, batch=16)) for model in ("yolo11n", "yolo11s", "yolo11m")]
    assert needed == sorted(needed) and step_bytes(DetectorTraining(batch=32)) > needed[0]
