"""The misclassified studies, and what makes each of them doubtful."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cohort.bmd import BMD_CLASSES, BmdClass, DxaResult
from cohort.covariates import Covariates, Sex
from cohort.findings import CobbAngle
from cohort.rejection_codes import LevelCode, LevelReason, RejectionCode
from cohort.spine import SpineDetection, VertebralLevel, View
from cohort.study import Findings, Study
from detect.config import DetectionConfig
from pipeline.evaluation.classification.cases import cases_of
from pipeline.evaluation.classification.errors import SCOLIOSIS_DEG, SMALL_MARGIN, ClassificationError, errors
from pipeline.evaluation.studies.joined import EvaluatedStudy
from pipeline.evaluation.tables.errors import errors_table
from pipeline.prediction import LengthUnit, MeasuredVertebra, Prediction, Rejection
from tests.predictions import boxes, screened, view_result

KNOWN = Covariates(age_years=66.0, sex=Sex.FEMALE, bmi_given=24.0)


def predicted(uid: str, probabilities: tuple[float, float, float], t_score: float | None) -> Prediction:
    """Both views, every covariate, and nothing that is doubtful."""
    by_class = dict(zip(BMD_CLASSES, probabilities, strict=True))
    likely = max(by_class, key=lambda c: by_class[c])
    views = {view: view_result(view) for view in View}
    plain = replace(screened(uid, -3.0), covariates=KNOWN, views=views)
    return replace(plain, bmd_class=likely, probabilities=by_class, t_score=t_score, prediction_set=(likely,))


def evaluated(prediction: Prediction, dxa: DxaResult | float | None, **findings: object) -> EvaluatedStudy:
    study = Study(
        study_uid=prediction.study_uid,
        patient_id=prediction.patient_id,
        covariates=prediction.covariates,
        dxa=DxaResult(t_score=dxa) if isinstance(dxa, float) else dxa,
        site="a",
        findings=Findings(**findings),  # type: ignore[arg-type]
    )
    return EvaluatedStudy(prediction=prediction, study=study, rois={}, exclusions=())


def only(prediction: Prediction, dxa: DxaResult | float, **findings: object) -> ClassificationError:
    found = errors([evaluated(prediction, dxa, **findings)])
    assert len(found) == 1
    return found[0]


NORMAL, OSTEOPENIA, OSTEOPOROSIS = (0.8, 0.15, 0.05), (0.1, 0.8, 0.1), (0.05, 0.15, 0.8)


def test_the_worst_errors_come_first_and_right_rejected_and_unreferenced_studies_are_none() -> None:
    studies = [
        evaluated(predicted("near", OSTEOPENIA, -2.2), -2.6),
        evaluated(predicted("right", OSTEOPENIA, -2.0), -2.0),
        evaluated(predicted("far", OSTEOPENIA, -2.0), -4.0),
        evaluated(predicted("two classes", NORMAL, -0.5), -2.7),
        evaluated(predicted("unsure", (0.3, 0.4, 0.3), -2.2), -2.6),
        evaluated(predicted("no reference", NORMAL, -0.5), None),
        evaluated(
            replace(screened("r", -3.0), rejection=Rejection(RejectionCode.SCOLIOSIS, "x"), probabilities={}), -0.5
        ),
        evaluated(Prediction(study_uid="f", patient_id="f", model=screened("x", 0).model, covariates=KNOWN), -0.5),
    ]
    found = errors(studies)
    assert [error.study_uid for error in found] == ["two classes", "far", "near", "unsure"]
    worst, far, near, _ = found
    assert worst.steps == 2 and [worst.missed_by, worst.border_distance] == pytest.approx([1.7, 0.2])
    assert far.steps == 1 and [far.missed_by, far.border_distance] == pytest.approx([1.5, 1.5])
    assert (near.true_class, near.predicted_class, near.t_score, near.t_score_estimate) == (
        BmdClass.OSTEOPOROSIS,
        BmdClass.OSTEOPENIA,
        -2.6,
        -2.2,
    )
    assert near.site == "a" and near.patient_id == "p-near" and near.probability_of_truth == 0.1
    assert not near.in_prediction_set and near.decision is not None
    cases = cases_of(studies)
    assert cases is not None and len(found) == int((cases.predicted != cases.labels).sum())


def test_the_border_that_was_crossed_counts_not_the_nearest() -> None:
    error = only(predicted("s", OSTEOPOROSIS, -2.7), -1.1)
    assert error.border_distance == pytest.approx(0.1) and error.missed_by == pytest.approx(1.4)
    assert error.reasons_to_doubt == ()


def test_a_class_at_its_border_belongs_to_its_class() -> None:
    assert (
        errors([evaluated(predicted("s", OSTEOPOROSIS, -2.5), -2.5), evaluated(predicted("t", NORMAL, -1.0), -1.0)])
        == ()
    )
    assert only(predicted("s", OSTEOPENIA, -2.4), -2.5).missed_by == 0


def test_a_borderline_t_score_is_a_reason() -> None:
    error = only(predicted("s", OSTEOPENIA, -2.2), -2.6)
    assert error.reasons_to_doubt == ("DXA T-score -2.60 lies 0.10 from the border at -2.5",)
    assert only(predicted("s", OSTEOPENIA, -2.2), -2.81).reasons_to_doubt == ()


def with_view(prediction: Prediction, view: View, **change: object) -> Prediction:
    return replace(prediction, views={**prediction.views, view: replace(prediction.views[view], **change)})  # type: ignore[arg-type]


def vertebra(level: VertebralLevel) -> MeasuredVertebra:
    return MeasuredVertebra(
        level=level,
        unit=LengthUnit.MILLIMETRE,
        anterior_height=20,
        middle_height=22,
        posterior_height=30,
        anterior_to_posterior=0.7,
        middle_to_posterior=0.7,
        posterior_to_neighbours=1,
        height_loss=0.3,
        genant_grade=2,
        confidence=0.9,
        suspected=True,
    )


WRONG = predicted("s", OSTEOPENIA, -2.0)
LITTLE = SpineDetection(View.AP, boxes(), (400, 300), labelling_margin=1.5)
LEFT_OUT = {VertebralLevel.L3: LevelReason(code=LevelCode.METAL, reason="m")}
UNKNOWN = Covariates(sex=Sex.MALE)
DENSER = "a compressed body looks denser, on DXA too"
STEP = {VertebralLevel.L1: -4.2, VertebralLevel.L2: -3.9, VertebralLevel.L3: -2.4}


@pytest.mark.parametrize(
    ("prediction", "dxa", "findings", "word"),
    [
        (replace(WRONG, views={View.AP: view_result()}), -3.5, {}, "one view only (AP)"),
        (
            with_view(WRONG, View.LATERAL, vertebrae={VertebralLevel.L2: vertebra(VertebralLevel.L2)}),
            -3.5,
            {},
            f"suspected fracture of L2: {DENSER}",
        ),
        (WRONG, -3.5, {"fracture_grade": 2}, f"fracture of grade 2 by cohort.csv: {DENSER}"),
        (
            with_view(
                WRONG,
                View.AP,
                cobb=CobbAngle(degrees=27.0, upper=VertebralLevel.L1, lower=VertebralLevel.L4),
            ),
            -3.5,
            {},
            "scoliosis of 27 degrees",
        ),
        (WRONG, -3.5, {"cobb_deg": 31.0}, "scoliosis of 31 degrees by cohort.csv"),
        (WRONG, -3.5, {"implant": True}, "implant at L1-L4 by cohort.csv"),
        (with_view(WRONG, View.AP, left_out=LEFT_OUT), -3.5, {}, "AP: L3 left out (metal)"),
        (
            with_view(WRONG, View.AP, detection=LITTLE),
            -3.5,
            {},
            "labelling margin of AP is small (1.5): levels may be one off",
        ),
        (replace(WRONG, covariates=replace(KNOWN, bmi_given=34.2)), -3.5, {}, "BMI 34.2: soft tissue veils the bones"),
        (replace(WRONG, covariates=UNKNOWN), -3.5, {}, "classed without age and BMI"),
        (
            replace(WRONG, t_score=-2.9),
            -3.5,
            {},
            "T-score estimate -2.90 says osteoporosis, the probabilities osteopenia",
        ),
        (predicted("s", (0.1, 0.47, 0.43), -2.0), -3.5, {}, "osteopenia (0.47) and osteoporosis (0.43) are close"),
        (
            WRONG,
            DxaResult(t_score=-3.5, t_score_by_level=STEP),
            {},
            "DXA T-scores of L2 and L3 differ by 1.5: one may be degenerate or fractured",
        ),
    ],
)
def test_each_reason_to_doubt(
    prediction: Prediction, dxa: DxaResult | float, findings: dict[str, object], word: str
) -> None:
    assert only(WRONG, -3.5).reasons_to_doubt == ()
    assert only(prediction, dxa, **findings).reasons_to_doubt == (word,)


def test_limits_are_those_of_the_warnings_of_a_result() -> None:
    limits = DetectionConfig()
    assert (limits.warn_cobb_deg, limits.warn_margin) == (SCOLIOSIS_DEG, SMALL_MARGIN)


def test_findings_levels_margin_and_warnings_are_told() -> None:
    prediction = with_view(WRONG, View.LATERAL, vertebrae={VertebralLevel.L2: vertebra(VertebralLevel.L2)})
    prediction = with_view(replace(prediction, warnings=("w",)), View.AP, left_out=LEFT_OUT, detection=LITTLE)
    error = only(prediction, -3.5)
    assert error.suspected_fractures == (VertebralLevel.L2,) and error.warnings == ("w",)
    assert error.left_out == {View.AP: {VertebralLevel.L3: LevelCode.METAL}} and error.labelling_margin == 1.5


def test_the_table_has_a_line_for_each_error() -> None:
    unknown = replace(WRONG, study_uid="t", patient_id="q", t_score=None)
    found = errors([evaluated(WRONG, -3.5), evaluated(with_view(unknown, View.AP, left_out=LEFT_OUT), -2.6)])
    table = errors_table(found)
    assert list(table["study"]) == ["s", "t"] and list(table["T-score estimate"]) == ["-2.00", "-"]
    assert list(table["DXA"]) == ["osteoporosis"] * 2 and list(table["predicted"]) == ["osteopenia"] * 2
    assert table["reasons to doubt"][0] == "none known"
    assert (
        table["reasons to doubt"][1] == "DXA T-score -2.60 lies 0.10 from the border at -2.5; AP: L3 left out (metal)"
    )
    assert errors_table(()).empty
