"""What a training is given follows the cohort: a patient moved to the other side, and corrected boxes and outlines."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classify.config import PreprocessSpec
from classify.training.config import ClassifierTraining
from classify.training.crops.crop_set import CropSet
from detect.training.body_crops import CropStore
from detect.training.config import DetectorTraining, SegmenterTraining
from osteolens.errors import ConfigError, ReadError
from pipeline.training.classifier import train_classifier
from pipeline.training.detector import train_detector
from pipeline.training.run import Start, TrainingOptions
from pipeline.training.segmenter import train_segmenter
from tests import EXAMPLES
from tests.importing import write_outlines

pytestmark = [
    pytest.mark.train,
    pytest.mark.skipif(find_spec("ultralytics") is None, reason="needs the extra 'train'"),
]

SMALL = DetectorTraining(image_px=256, renders=1)
FEW = SegmenterTraining(bodies_an_image=1, beside_an_image=0, distractor_fraction=0)
BODY = ClassifierTraining(preprocess=PreprocessSpec(size_px=64), resolution_schedule=[(64, 1)])
NEW = TrainingOptions(device="cpu", start_from=Start.NONE)


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Three of the examples, two to train on and one to validate by, with the boxes as outlines."""
    folder = tmp_path / "cohort"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__", "*.py", "readers.csv"))
    table = pd.read_csv(folder / "cohort.csv")
    for patient in table.patient_id[3:]:
        shutil.rmtree(folder / patient)
    table[:3].assign(split=["training", "training", "validation"]).to_csv(folder / "cohort.csv", index=False)
    rois = pd.read_csv(folder / "rois.csv")
    rois[rois.study_uid.isin(table.study_uid[:3])].to_csv(folder / "rois.csv", index=False)
    write_outlines(folder)
    return folder


def swap_sides(folder: Path) -> list[str]:
    """Move the second patient to validation and the third to training; returns all UIDs."""
    table = pd.read_csv(folder / "cohort.csv")
    table.assign(split=["training", "validation", "training"]).to_csv(folder / "cohort.csv", index=False)
    return list(table.study_uid)


def labels(folder: Path) -> dict[str, str]:
    """Label files of both sides, by side and study."""
    return {
        f"{path.parent.name} {path.name.split('_')[0]} {path.name.split('_')[1]}": path.read_text()
        for path in (folder / "yolo" / "labels").rglob("*.txt")
    }


def test_a_detector_is_trained_on_the_cohort_as_it_is_now(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detect.training.detector.fit_detector", lambda *_: {})
    monkeypatch.setattr("detect.training.detector.check_start", lambda *_: None)
    out = tmp_path / "out"
    train_detector(cohort, out, SMALL, NEW)
    before = labels(out)
    (out / "yolo" / "labels" / "train.cache").write_bytes(b"ultralytics' own")
    stray = out / "yolo" / "images" / "train" / "left-over_AP_0.png"
    stray.write_bytes(b"of an earlier program")
    uids = swap_sides(cohort)
    train_detector(cohort, out, SMALL, NEW)
    swapped = labels(out)
    assert {key.split()[1] for key in swapped if key.startswith("train")} == {uids[0], uids[2]}
    assert {key.split()[1] for key in swapped if key.startswith("val")} == {uids[1]}
    assert not stray.exists() and not (out / "yolo" / "labels" / "train.cache").exists()
    rois = pd.read_csv(cohort / "rois.csv")
    first = (rois.study_uid == uids[1]) & (rois["view"] == "AP")
    rois.loc[first & (rois.level == "L3"), "x0"] -= 9
    rois.to_csv(cohort / "rois.csv", index=False)
    train_detector(cohort, out, SMALL, NEW)
    corrected = labels(out)
    assert corrected[f"val {uids[1]} AP"] != swapped[f"val {uids[1]} AP"]
    assert corrected[f"val {uids[1]} LATERAL"] == swapped[f"val {uids[1]} LATERAL"] and before.keys() != swapped.keys()


def test_a_segmenter_is_trained_on_the_cohort_as_it_is_now(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[bytes, bytes]] = []

    def fit(training: CropStore, validation: CropStore, *_: object) -> dict[str, float]:
        given.append((training.planes.tobytes(), validation.planes.tobytes()))
        return {}

    monkeypatch.setattr("detect.training.segmenter.fit_segmenter", fit)
    out = tmp_path / "out"
    train_segmenter(cohort, out, FEW, NEW)
    train_segmenter(cohort, out, FEW, NEW)
    swap_sides(cohort)
    train_segmenter(cohort, out, FEW, NEW)
    write_outlines(cohort, more_px=6)
    train_segmenter(cohort, out, FEW, NEW)
    first, again, swapped, corrected = given
    assert again == first and swapped[0] != first[0] and swapped[1] != first[1] and corrected[1] != swapped[1]
    note = out / "crops-made-from.txt"
    (out / "crops.npy").write_bytes(b"cut off")
    train_segmenter(cohort, out, FEW, NEW)
    assert given[-1] == corrected and note.is_file(), "a damaged cache is made anew"


def test_a_classifier_is_trained_on_the_cohort_as_it_is_now(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[CropSet, CropSet]] = []

    def fit(training: CropSet, validation: CropSet, *_: object) -> dict[str, float]:
        given.append((training, validation))
        (training.folder / "features-of-an-earlier-run.npy").touch()
        return {}

    def shown(side: CropSet) -> bytes:
        return np.array(side.images[side.rows]).tobytes()

    monkeypatch.setattr("classify.training.train.fit_classifier", fit)
    out, before = tmp_path / "out", []
    for change in ("nothing", "nothing again", "a patient", "a box", "a T-score"):
        if change == "a patient":
            uids = swap_sides(cohort)
        elif change == "a box":
            rois = pd.read_csv(cohort / "rois.csv")
            first = (rois.study_uid == uids[1]) & (rois["view"] == "AP") & (rois.level == "L3")
            rois.loc[first, "x0"] -= 9
            rois.to_csv(cohort / "rois.csv", index=False)
        elif change == "a T-score":
            table = pd.read_csv(cohort / "cohort.csv", dtype=str)
            table.assign(t_score=["-3.1", "-2.9", "-0.5"]).to_csv(cohort / "cohort.csv", index=False)
        train_classifier(cohort, out, BODY, NEW)
        before.append([(shown(side), side.digest, side.study_uids, side.t_scores.tolist()) for side in given[-1]])
    nothing, again, moved, corrected, rescored = before
    assert nothing == again
    assert moved[0][2] == (uids[0], uids[2]) and moved[1][2] == (uids[1],) and moved[0][0] != nothing[0][0]
    assert corrected[1][0] != moved[1][0] and corrected[0][0] == moved[0][0], "the box of the validation study alone"
    assert rescored[0][3] == pytest.approx([-3.1, -0.5]) and rescored[0][1] != corrected[0][1], "no crop is made anew"
    note = out / "crops" / "made-from.txt"
    (out / "crops" / "crops.npy").write_bytes(b"cut off")
    train_classifier(cohort, out, BODY, NEW)
    assert shown(given[-1][0]) == rescored[0][0] and note.is_file(), "a damaged cache is made anew"
    again_with = TrainingOptions(device="cpu", start_from=Start.NONE, resume=True)
    table.assign(split=["training", "training", "validation"]).to_csv(cohort / "cohort.csv", index=False)
    with pytest.raises(ConfigError, match=r"split\.json: the run to go on with was split with other studies"):
        train_classifier(cohort, out, BODY, again_with)


@pytest.mark.parametrize(
    ("train", "table", "what"),
    [
        (train_detector, "rois.csv", "ROIs in rois.csv"),
        (train_segmenter, "annotations.json", "outlines in annotations"),
    ],
)
def test_studies_without_labels_are_counted_and_missed(
    cohort: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    train: Callable[..., object],
    table: str,
    what: str,
) -> None:
    for stage in ("detector", "segmenter"):
        monkeypatch.setattr(f"detect.training.{stage}.fit_{stage}", lambda *_: {})
    uids = list(pd.read_csv(cohort / "cohort.csv").study_uid)
    rois = pd.read_csv(cohort / "rois.csv")

    def keep(kept: list[str]) -> None:
        rois[rois.study_uid.isin(kept)].to_csv(cohort / "rois.csv", index=False)
        write_outlines(cohort)

    keep([uids[0], uids[2]])
    lines: list[str] = []
    train(cohort, tmp_path / "out", None, NEW, notify=lines.append)
    assert lines[0].startswith(f"1 studies to train on, 1 held out; 1 left out: without {what}"), lines
    for kept, purpose in (([uids[0]], "to validate by"), ([uids[2]], "to train on")):
        keep(kept)
        with pytest.raises(ReadError, match=f"none of . studies {purpose} has {what}.*the first is"):
            train(cohort, tmp_path / "out", None, NEW)


def test_the_detector_refuses_several_gpus_by_name_and_the_others_look_for_them(cohort: Path, tmp_path: Path) -> None:
    several = TrainingOptions(device="98,99", start_from=Start.NONE)
    with pytest.raises(ConfigError, match="device '98,99': the detector trains on one device, since ultralytics"):
        train_detector(cohort, tmp_path / "run", SMALL, several)
    with pytest.raises(ConfigError, match="device 'cuda:98'"):
        train_segmenter(cohort, tmp_path / "run", FEW, several)
    with pytest.raises(ConfigError, match="device 'cuda:98'"):
        train_classifier(cohort, tmp_path / "run", BODY, several)
    assert not (tmp_path / "run").exists()
