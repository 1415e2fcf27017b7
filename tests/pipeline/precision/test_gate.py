"""The gate of a precision: what it compares, what it refuses, and what weights then allow."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cohort.bmd import BmdClass
from cohort.io.folder import index_cohort
from cohort.spine import VertebralLevel
from cohort.study import Study
from osteolens.errors import ConfigError, StudyError, WeightsError
from osteolens.inference.choices import Device, Precision
from osteolens.inference.config import InferenceConfig
from pipeline.bundle.load import Bundle, load_bundle
from pipeline.bundle.manifest import PrecisionRecord, note_precision
from pipeline.precision import gate as module
from pipeline.precision.gate import PrecisionGate, compared, try_precision
from pipeline.prediction import Prediction
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.screener import Screener
from tests import EXAMPLES, WEIGHTS

Pair = tuple[Study, Prediction, Prediction]


@pytest.fixture(scope="module")
def pairs(screener: Screener) -> list[Pair]:
    """Each example with its result, twice."""
    studies = index_cohort(EXAMPLES).studies
    return [(study, result, result) for study in studies for result in (screener.screen(study),)]


def compared_with(pairs: list[Pair], other: Prediction) -> PrecisionGate:
    return compared(Precision.BF16, [*pairs[:-1], (*pairs[-1][:2], other)], {})


def test_equal_results_pass(pairs: list[Pair]) -> None:
    rois = {(s.study_uid, view): result.detection.boxes for s, a, _ in pairs for view, result in a.views.items()}
    gate = compared(Precision.BF16, pairs, rois)
    assert gate.passed and gate.studies == len(pairs)
    assert (gate.auc, gate.iou, gate.t_score) == (0, 0, 0)
    assert not compared(Precision.BF16, pairs, {}).passed, "an IoU that cannot be said holds no bar"
    of_two = [pair for pair in pairs if pair[0].dxa is not None and pair[0].dxa.bmd_class is not BmdClass.OSTEOPOROSIS]
    without = compared(Precision.BF16, of_two, rois)
    assert 1 < len(of_two) < len(pairs) and np.isnan(without.auc) and not without.passed, "nor an AUC"


def test_each_difference_is_found(pairs: list[Pair]) -> None:
    _, result, _ = pairs[-1]
    assert result.t_score is not None
    assert compared_with(pairs, replace(result, t_score=result.t_score + 0.2)).t_score == pytest.approx(0.2)
    unclassified = replace(result, probabilities={}, bmd_class=None, t_score=None)
    assert compared_with(pairs, unclassified).other_outcomes == 1
    view = next(iter(result.views))
    detection = result.views[view].detection
    renamed = replace(detection, boxes=tuple(box for box in detection.boxes if box.level is not VertebralLevel.L4))
    fewer = replace(result, views={**result.views, view: replace(result.views[view], detection=renamed)})
    assert compared_with(pairs, fewer).other_names == 1
    truth = [s.dxa.bmd_class for s, _, _ in pairs if s.dxa is not None]
    flipped = [(s, a, replace(a, probabilities={c: 1 - a.probabilities[c] for c in BmdClass})) for s, a, _ in pairs]
    if len(set(truth)) > 1:
        assert compared(Precision.BF16, flipped, {}).auc > 0.1


def test_boxes_that_moved_change_the_iou(pairs: list[Pair]) -> None:
    rois = {(s.study_uid, view): result.detection.boxes for s, a, _ in pairs for view, result in a.views.items()}
    moved = []
    for study, result, _ in pairs:
        views = {
            view: replace(
                of_view,
                detection=replace(
                    of_view.detection, boxes=tuple(box.moved(3.0, 0.0) for box in of_view.detection.boxes)
                ),
            )
            for view, of_view in result.views.items()
        }
        moved.append((study, result, replace(result, views=views)))
    assert compared(Precision.BF16, moved, rois).iou > 0.01


def test_too_little_to_compare_is_refused(bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match="6 studies with a T-score, expected at least 50"):
        try_precision(index_cohort(EXAMPLES), bundle, Precision.BF16)
    with pytest.raises(ConfigError, match="precision fp32"):
        try_precision(index_cohort(EXAMPLES), bundle, Precision.FP32)


def test_studies_that_cannot_be_read_do_not_count(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    class Unreadable:
        def __init__(self, *_: object) -> None: ...

        def screen_loaded(self, _: object) -> None:
            raise StudyError("no image can be read")

    monkeypatch.setattr(module, "FEWEST_STUDIES", 2)
    monkeypatch.setattr(module, "Screener", Unreadable)
    told: list[int] = []
    with pytest.raises(ConfigError, match="0 studies with a T-score that can be read, expected at least 2"):
        try_precision(index_cohort(EXAMPLES), bundle, Precision.BF16, lambda done, _: told.append(done))
    assert told == [1, 2, 3, 4, 5, 6]


def test_bf16_is_tried_on_the_examples(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = pytest.importorskip("openvino", reason="needs the extra 'openvino'")
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU has no bf16")
    monkeypatch.setattr(module, "FEWEST_STUDIES", 2)
    told: list[tuple[int, int]] = []
    gate = try_precision(index_cohort(EXAMPLES), bundle, Precision.BF16, lambda done, total: told.append((done, total)))
    assert gate.studies == len(told) == 6 and gate.other_outcomes == 0
    assert 0 < gate.t_score < 0.3 and np.isfinite(gate.auc)


def test_weights_allow_what_they_have_passed(tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(WEIGHTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest.pop("precisions", None)
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    bf16 = ScreeningConfig(inference=InferenceConfig(classifier=Device.OPENVINO, precision=Precision.BF16))
    with pytest.raises(WeightsError, match="have not passed the gate of bf16"):
        Screener(folder, bf16)
    figures = {"studies": 60, "other_outcomes": 0, "other_names": 0, "auc": 0.0, "iou": None, "t_score": 0.01}
    for passed in (False, True):
        note_precision(
            folder, Precision.BF16, PrecisionRecord.model_validate({"passed": passed, "t_score_95": 0.01, **figures})
        )
        assert load_bundle(folder).precisions == ((Precision.BF16,) if passed else ())
    noted = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert {**noted, "precisions": None} == {**manifest, "precisions": None}, "nothing else changes"


def test_the_settings_of_a_precision_are_others() -> None:
    bf16 = ScreeningConfig(inference=InferenceConfig(precision=Precision.BF16))
    assert bf16.digest() != ScreeningConfig().digest()
    assert ScreeningConfig(inference=InferenceConfig(detector=Device.AUTO)).digest() == ScreeningConfig().digest()
