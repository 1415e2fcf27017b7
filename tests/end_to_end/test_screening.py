"""Screening end to end with the shipped weights and examples."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from classify.crop import crop_corners
from cohort.covariates import Covariates, Sex
from cohort.io.annotations import read_rois
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.spine import TARGET_LEVELS, VertebralLevel, View, iou
from cohort.study import Radiograph, Study
from detect.config import DetectionConfig
from detect.scale import BodyScale
from osteolens.errors import ConfigError, StudyError
from pipeline.bundle.load import Bundle
from pipeline.evaluation.evaluate import evaluate
from pipeline.prediction import Prediction
from pipeline.prediction.parts import Status
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.folder import RunSummary, ScreeningOptions, screen_folder
from pipeline.screening.manual_rois import ManualRois
from pipeline.screening.radiograph_reader import LoadedStudy, read_study
from pipeline.screening.screener import Screener
from tests import EXAMPLES


@pytest.fixture(scope="module")
def run(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunSummary]:
    out = tmp_path_factory.mktemp("run")
    return out, screen_folder(index_cohort(EXAMPLES), out, bundle)


def example(number: int = 0) -> Study:
    return index_cohort(EXAMPLES).studies[number]


def test_all_examples_get_a_class_and_valid_json(run: tuple[Path, RunSummary]) -> None:
    out, summary = run
    assert summary.count(Status.SCREENED) == 6
    for path in (out / "studies").glob("*.json"):
        document = json.loads(path.read_text("utf-8"))
        Prediction.from_json(document)
        assert sum(document["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert document["bmd_class"] == max(document["probabilities"], key=document["probabilities"].get)
        assert document["warnings"] == [] or all(isinstance(w, str) for w in document["warnings"])


def test_the_boxes_of_the_examples_lie_on_the_right_levels(run: tuple[Path, RunSummary]) -> None:
    out, _ = run
    rois = read_rois(EXAMPLES / "rois.csv")
    overlaps = []
    for path in (out / "studies").glob("*.json"):
        document = json.loads(path.read_text("utf-8"))
        for view in View:
            found = {b["level"]: (b["x0"], b["y0"], b["x1"], b["y1"]) for b in document["views"][view.value]["boxes"]}
            truth = {b.level: b.corners for b in rois[document["study_uid"], view]}
            overlaps += [iou(found[level], truth[level]) for level in TARGET_LEVELS]
    assert np.mean(overlaps) >= 0.80
    assert min(overlaps) >= 0.5


def test_tables_report_and_pictures_are_written(run: tuple[Path, RunSummary]) -> None:
    out, _ = run
    table = pd.read_csv(out / "predictions.csv")
    assert len(table) == 6 and set(table["status"]) == {"screened"}
    page = (out / "report.html").read_text("utf-8")
    assert page.count("<article") == 6 and "not a medical device" in page
    for picture in (out / "overlays").glob("*.png"):
        with Image.open(picture) as shown:
            assert max(shown.size) >= 1000
    assert len(list((out / "overlays").glob("*.png"))) == 12
    log = json.loads((out / "run.json").read_text("utf-8"))
    assert log["counts"]["screened"] == 6 and log["weights"]["version"]


def test_the_same_command_resumes(run: tuple[Path, RunSummary], bundle: Bundle) -> None:
    out, _ = run
    one = sorted((out / "studies").glob("*.json"))[0]
    one.unlink()
    stamps = {p: p.stat().st_mtime_ns for p in (out / "studies").glob("*.json")}
    summary = screen_folder(index_cohort(EXAMPLES), out, bundle)
    assert summary.resumed == 5 and one.is_file()
    assert all(p.stat().st_mtime_ns == stamp for p, stamp in stamps.items())
    assert len(pd.read_csv(out / "predictions.csv")) == 6


def test_other_covariates_are_screened_anew(bundle: Bundle, tmp_path: Path) -> None:
    source = tmp_path / "one"
    shutil.copytree(EXAMPLES / example().patient_id, source)
    index = index_cohort(source)
    first = screen_folder(
        index,
        tmp_path / "out",
        bundle,
        ScreeningOptions(covariates=Covariates(age_years=55, sex=Sex.MALE, bmi_given=30)),
    )
    second = screen_folder(
        index,
        tmp_path / "out",
        bundle,
        ScreeningOptions(covariates=Covariates(age_years=90, sex=Sex.FEMALE, bmi_given=18)),
    )
    assert second.resumed == 0
    younger, older = first.rows[0].p_osteoporosis, second.rows[0].p_osteoporosis
    assert younger is not None and older is not None and younger < older


def test_covariates_of_one_patient_are_refused_for_many(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cohort\.csv"):
        screen_folder(index_cohort(EXAMPLES), tmp_path, bundle, ScreeningOptions(covariates=Covariates(age_years=60)))


def test_a_broken_file_gets_a_row_and_stops_nothing(bundle: Bundle, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(EXAMPLES / example(0).patient_id, source / "good")
    (source / "empty.dcm").touch()
    (source / "noise.dcm").write_bytes(np.random.default_rng(0).bytes(4000))
    truncated = (EXAMPLES / example(1).patient_id / "AP.dcm").read_bytes()
    (source / "truncated.dcm").write_bytes(truncated[: len(truncated) // 2])
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(source / "colour.png")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 300), np.uint8)).save(source / "noise.png")
    Image.fromarray(np.zeros((400, 300), np.uint8)).save(source / "black.png")
    summary = screen_folder(index_cohort(source), out, bundle)
    rows = {row.patient_id: row for row in summary.rows}
    assert rows[example(0).patient_id].status == "screened"
    reasons = {name: row.reason for name, row in rows.items() if row.status == "failed"}
    assert any("empty" in r for r in reasons.values())
    assert any("cannot be decoded" in r for r in reasons.values())
    assert any("colour" in r for r in reasons.values())
    assert rows["noise"].status == rows["black"].status == "rejected"
    assert len(pd.read_csv(out / "predictions.csv")) == len(rows) == 7


def test_a_crash_inside_one_study_is_a_row(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screener.screen_loaded
    bad = example(1).study_uid

    def crash(self: Screener, read: object) -> object:
        if read.study.study_uid == bad:  # type: ignore[attr-defined]
            raise ZeroDivisionError("boom")
        return screen(self, read)  # type: ignore[arg-type]

    monkeypatch.setattr(Screener, "screen_loaded", crash)
    source = tmp_path / "in"
    for number in (0, 1):
        shutil.copytree(EXAMPLES / example(number).patient_id, source / str(number))
    summary = screen_folder(index_cohort(source), tmp_path / "out", bundle)
    assert {row.status for row in summary.rows} == {"screened", "failed"}
    assert any("ZeroDivisionError: boom" in row.reason for row in summary.rows)
    document = json.loads((tmp_path / "out" / "studies" / f"{bad}.json").read_text("utf-8"))
    Prediction.from_json(document)
    assert document["status"] == "failed" and document["failure"] == "ZeroDivisionError: boom"
    assert [(image["path"], image["outcome"]) for image in document["images"]] == [
        ("1/AP.dcm", "not used"),
        ("1/LATERAL.dcm", "not used"),
    ]
    monkeypatch.setattr(Screener, "screen_loaded", screen)
    again = screen_folder(index_cohort(source), tmp_path / "out", bundle)
    assert again.resumed == 1 and again.count(Status.SCREENED) == 2, "a failed study is tried again"


def test_every_file_is_accounted_for_whatever_became_of_its_study(bundle: Bundle, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    for number in (0, 1):
        shutil.copytree(EXAMPLES / example(number).patient_id, source / str(number))
    (source / "1" / "AP.dcm").write_bytes((source / "1" / "AP.dcm").read_bytes()[:9000])
    shutil.copy(source / "0" / "AP.dcm", source / "0" / "AP2.dcm")
    blank = Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 300), np.uint8))
    (source / "2").mkdir()
    blank.save(source / "2" / "AP.png")
    blank.save(source / "2" / "LAT.png")
    screen_folder(index_cohort(source), out, bundle)
    documents = [json.loads(path.read_text("utf-8")) for path in (out / "studies").glob("*.json")]
    told = {image["path"]: (d["status"], image["outcome"]) for d in documents for image in d["images"]}
    assert told == {
        "0/AP.dcm": ("screened", "classified"),
        "0/AP2.dcm": ("screened", "left out"),
        "0/LATERAL.dcm": ("screened", "classified"),
        "1/AP.dcm": ("screened", "unreadable"),
        "1/LATERAL.dcm": ("screened", "classified"),
        "2/AP.png": ("rejected", "left out"),
        "2/LAT.png": ("rejected", "left out"),
    }
    table = pd.read_csv(out / "predictions.csv")
    assert all(path in " ".join(table["images"]) for path in told)
    roles = {image["path"]: (image["role"], image["view"]) for d in documents for image in d["images"]}
    assert roles["2/AP.png"][0] == "AP" and roles["0/LATERAL.dcm"] == ("LATERAL", "LATERAL")


def test_a_study_is_screened_again_when_a_file_joins_it(bundle: Bundle, tmp_path: Path) -> None:
    source = tmp_path / "in"
    shutil.copytree(EXAMPLES / example(0).patient_id, source)
    (source / "LATERAL.dcm").rename(tmp_path / "later.dcm")
    first = screen_folder(index_cohort(source), tmp_path / "out", bundle)
    assert first.rows[0].views == "AP"
    (tmp_path / "later.dcm").rename(source / "LATERAL.dcm")
    second = screen_folder(index_cohort(source), tmp_path / "out", bundle)
    assert second.resumed == 0 and second.rows[0].views == "AP+LATERAL"


def with_pixels(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> Radiograph:
    radiograph = read_radiograph(path)
    return replace(radiograph, pixels=np.ascontiguousarray(change(radiograph.pixels), np.float32))


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("view", list(View))
def test_size_and_mirroring_change_neither_class_nor_levels(screener: Screener, view: View, number: int) -> None:
    study = example(number)
    path = study.ap if view is View.AP else study.lateral
    assert path is not None
    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "plain": lambda p: p,
        "mirrored": lambda p: p[:, ::-1],
        "three times as fine": lambda p: cv2.resize(p, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC).clip(0, 1),
    }
    found = {}
    for name, change in changes.items():
        read = LoadedStudy(replace(study, ap=None, lateral=path), (with_pixels(path, change),), ())
        found[name] = screener.screen_loaded(read).prediction
    plain = found["plain"]
    assert plain.t_score is not None and plain.views[view].used == TARGET_LEVELS
    for name in ("mirrored", "three times as fine"):
        assert found[name].views[view].used == plain.views[view].used, name
        assert found[name].t_score == pytest.approx(plain.t_score, abs=0.3), name
    if view is View.LATERAL:
        assert plain.views[view].anterior_left and not found["mirrored"].views[view].anterior_left


def test_two_levels_are_enough_for_a_class_and_are_named(screener: Screener) -> None:
    study = example()
    assert study.ap is not None
    rois = read_rois(EXAMPLES / "rois.csv")[study.study_uid, View.AP]
    second = next(b for b in rois if b.level.value == "L2")
    read = LoadedStudy(replace(study, lateral=None), (with_pixels(study.ap, lambda p: p[int(second.y0 - 2) :]),), ())
    prediction = screener.screen_loaded(read).prediction
    assert prediction.bmd_class is not None and VertebralLevel.L1 not in prediction.views[View.AP].used
    assert any("L1 is left out" in warning for warning in prediction.warnings)
    document = prediction.as_json()
    Prediction.from_json(document)
    assert not document["views"]["AP"]["levels"]["L1"]["used"] and document["views"]["AP"]["levels"]["L3"]["used"]


def test_a_vertebra_that_one_view_shows_as_metal_is_left_out_of_both(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_ap(seen: BodyScale) -> dict[VertebralLevel, float]:
        return {VertebralLevel.L3: 0.5 if seen.detection.view is View.AP else 0.0}

    monkeypatch.setattr("detect.quality_control.metal_fractions", only_ap)
    screener = Screener(bundle)
    prediction = screener.screen_loaded(read_study(example())).prediction
    assert prediction.bmd_class is not None
    for view in View:
        assert VertebralLevel.L3 not in prediction.views[view].used
    assert "(AP view)" in prediction.views[View.LATERAL].left_out[VertebralLevel.L3].reason
    needs_all = Screener(bundle, ScreeningConfig(detection=DetectionConfig(min_levels=4)))
    rejected = needs_all.screen_loaded(read_study(example())).prediction
    assert rejected.rejection is not None and rejected.rejection.code == "too_few_levels"


@pytest.mark.parametrize("keep", [View.AP, View.LATERAL])
def test_one_view_is_enough_and_said(screener: Screener, keep: View) -> None:
    study = example()
    kept = study.ap if keep is View.AP else study.lateral
    single = Study(
        study_uid="one",
        patient_id="one",
        ap=kept if keep is View.AP else None,
        lateral=kept if keep is View.LATERAL else None,
    )
    prediction = screener.screen_loaded(read_study(single)).prediction
    assert prediction.rejection is None and set(prediction.views) == {keep}
    assert any("accuracy is lower with one view" in w for w in prediction.warnings)
    assert any("age_years is unknown" in w for w in prediction.warnings)


def test_the_image_corrects_a_wrong_view(screener: Screener) -> None:
    study = example()
    assert study.ap is not None
    swapped = Study(study_uid="swap", patient_id="swap", lateral=study.ap)
    prediction = screener.screen_loaded(read_study(swapped)).prediction
    assert set(prediction.views) == {View.AP}


def test_two_images_of_one_view_are_told(screener: Screener) -> None:
    study = example()
    prediction = screener.screen_loaded(
        read_study(Study(study_uid="twice", patient_id="twice", ap=study.ap, lateral=study.ap))
    ).prediction
    assert any("has another AP image" in w for w in prediction.warnings)


def test_a_radiograph_with_too_few_bodies_is_rejected(screener: Screener, tmp_path: Path) -> None:
    study = example()
    rois = read_rois(EXAMPLES / "rois.csv")[study.study_uid, View.AP]
    second = next(b for b in rois if b.level.value == "L2")
    pixels = read_study(study).radiographs[0].pixels[: int(second.y0 - 2)]
    path = tmp_path / "cut_AP.png"
    Image.fromarray((pixels * 255).astype(np.uint8)).save(path)
    prediction = screener.screen_loaded(read_study(Study(study_uid="cut", patient_id="cut", ap=path))).prediction
    assert prediction.rejection is not None and prediction.bmd_class is None
    assert prediction.rejection.code in ("too_few_levels", "not_lumbar", "no_spine", "ambiguous_levels")
    assert Prediction.from_json(prediction.as_json()).rejection == prediction.rejection


def test_a_confidence_limit_can_reject(bundle: Bundle) -> None:
    strict = Screener(bundle, ScreeningConfig(min_confidence=1.0))
    prediction = strict.screen_loaded(read_study(example())).prediction
    assert prediction.rejection is not None and prediction.rejection.code == "low_confidence"


def test_a_reader_can_correct_the_levels_of_one_study(bundle: Bundle, tmp_path: Path) -> None:
    source = tmp_path / "one"
    shutil.copytree(EXAMPLES / example().patient_id, source)
    index = index_cohort(source)
    screen_folder(index, tmp_path / "out", bundle)
    path = next((tmp_path / "out" / "studies").glob("*.json"))
    plain = {b["level"]: b["x0"] for b in json.loads(path.read_text())["views"]["AP"]["boxes"]}
    summary = screen_folder(index, tmp_path / "out", bundle, ScreeningOptions(config=ScreeningConfig(shift_levels=-1)))
    moved = {b["level"]: b["x0"] for b in json.loads(path.read_text())["views"]["AP"]["boxes"]}
    assert summary.resumed == 0 and "a reader moved all levels by -1" in summary.rows[0].warnings
    assert [moved["L1"], moved["L3"]] == pytest.approx([plain["L2"], plain["L4"]], abs=1)
    with pytest.raises(ConfigError, match="shift_levels corrects one study"):
        screen_folder(
            index_cohort(EXAMPLES), tmp_path / "all", bundle, ScreeningOptions(config=ScreeningConfig(shift_levels=1))
        )


def test_a_study_without_readable_images_raises(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no such file"):
        read_study(Study(study_uid="x", patient_id="x", ap=tmp_path / "gone.png"))


def test_the_same_image_twice_gives_the_same_answer(screener: Screener) -> None:
    first, second = (screener.screen_loaded(read_study(example())).prediction for _ in range(2))
    assert first == second


def test_evaluation_compares_boxes_and_classes(run: tuple[Path, RunSummary], tmp_path: Path) -> None:
    out, _ = run
    evaluation = evaluate(out, EXAMPLES)
    assert len(evaluation.studies) == 4 and evaluation.detection is not None
    assert evaluation.detection.both_views.mean_iou >= 0.80
    shifted = tmp_path / "shifted"
    shutil.copytree(out / "studies", shifted / "studies")
    for path in (shifted / "studies").glob("*.json"):
        document = json.loads(path.read_text("utf-8"))
        for view in document["views"].values():
            for box in view["boxes"]:
                box["x0"], box["x1"] = box["x0"] + 400, box["x1"] + 400
        path.write_text(json.dumps(document), "utf-8")
    moved = evaluate(shifted, EXAMPLES).detection
    assert moved is not None and moved.both_views.mean_iou == moved.both_views.levels_right == 0


@pytest.mark.train
def test_explanations_lie_on_the_column(bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("captum")
    index = index_cohort(EXAMPLES)
    one = replace(index, studies=index.studies[:1])
    plain = screen_folder(one, tmp_path, bundle)
    explained = screen_folder(one, tmp_path, bundle, ScreeningOptions(config=ScreeningConfig(explain=True)))
    assert explained.resumed == 0, "other settings are screened anew"
    assert plain.rows[0].p_osteoporosis == explained.rows[0].p_osteoporosis
    uid = index.studies[0].study_uid
    assert {path.name for path in (tmp_path / "overlays").glob("*_explained.png")} == {
        f"{uid}_{view}_explained.png" for view in View
    }
    screened = Screener(bundle, ScreeningConfig(explain=True)).screen_loaded(read_study(index.studies[0]))
    for view, heat in screened.heat.items():
        detection = screened.prediction.views[view].detection
        corners = crop_corners(heat.shape, detection, TARGET_LEVELS, bundle.preprocess)
        x0, y0, x1, y1 = (int(v) for v in (*np.floor(corners[:2]), *np.ceil(corners[2:])))
        assert heat.max() == pytest.approx(1) and heat[y0:y1, x0:x1].sum() == pytest.approx(heat.sum())


def test_implausible_covariates_reject_the_study(bundle: Bundle) -> None:
    study = index_cohort(EXAMPLES).studies[0]
    child = replace(study, covariates=replace(study.covariates, age_years=5))
    prediction = Screener(bundle).screen_loaded(read_study(child)).prediction
    assert prediction.rejection is not None and prediction.rejection.code == "covariates"
    assert "age is 5" in prediction.rejection.reason


def test_manual_rois_take_the_detectors_place(tmp_path: Path, bundle: Bundle) -> None:
    index = index_cohort(EXAMPLES)
    truth = read_rois(EXAMPLES / "rois.csv")
    uid = index.studies[0].study_uid
    table = pd.read_csv(EXAMPLES / "rois.csv")
    lacking = table[~((table["study_uid"] == uid) & (table["level"] == "L2"))]
    lacking.to_csv(tmp_path / "rois.csv", index=False)
    manual = ManualRois.read(tmp_path / "rois.csv")
    summary = screen_folder(index, tmp_path / "out", bundle, ScreeningOptions(manual_rois=manual))
    assert summary.count(Status.REJECTED) == 1 and summary.count(Status.SCREENED) == 5
    (row,) = [row for row in summary.rows if row.status == "rejected"]
    assert row.study_uid == uid and row.reason.startswith("no_roi")
    other = json.loads((tmp_path / "out" / "studies" / f"{index.studies[1].study_uid}.json").read_text("utf-8"))
    shown = {box["level"]: box["x0"] for box in other["views"]["AP"]["boxes"]}
    for box in truth[other["study_uid"], View.AP]:
        assert shown[box.level] == pytest.approx(box.x0, abs=0.06)
    assert screen_folder(index, tmp_path / "out", bundle, ScreeningOptions(manual_rois=manual)).resumed == 6
    assert screen_folder(index, tmp_path / "out", bundle).resumed == 0, "the detector's are other results"
