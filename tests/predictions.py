"""Results that tests make: a screened, a rejected and a failed study, and folders of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from classify.calibration import Decision
from cohort.bmd import BMD_CLASSES, classify_t_score
from cohort.covariates import Covariates, Sex
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, View
from osteolens.documents.json_document import write_json
from pipeline.prediction import ModelIdentifiers, Prediction, ViewResult

MODEL = ModelIdentifiers(version="test", settings="0" * 16, hashes={"detector": "1" * 16})


def boxes() -> tuple[VertebraBox, ...]:
    """L1 to L4, 60 by 50 pixels each."""
    return tuple(
        VertebraBox(level, 10.0, 60.0 * n, 70.0, 60.0 * n + 50, confidence=0.9) for n, level in enumerate(TARGET_LEVELS)
    )


def view_result(view: View = View.AP) -> ViewResult:
    """One view with L1 to L4."""
    detection = SpineDetection(view, boxes(), (400, 300), labelling_margin=3.0)
    return ViewResult(image=f"{view}.png", detection=detection, pixel_spacing_mm=(0.5, 0.5))


def screened(uid: str, t_score: float, sharpness: float = 0.6, patient_id: str | None = None) -> Prediction:
    """One screened study whose most probable class is that of a T-score."""
    predicted = classify_t_score(t_score)
    return Prediction(
        study_uid=uid,
        patient_id=f"p-{uid}" if patient_id is None else patient_id,
        model=MODEL,
        covariates=Covariates(age_years=66.0, sex=Sex.FEMALE),
        bmd_class=predicted,
        probabilities={c: sharpness if c is predicted else (1 - sharpness) / 2 for c in BMD_CLASSES},
        views={View.AP: view_result()},
        t_score=t_score + 0.3,
        prediction_set=(predicted,),
        decision=Decision.INDETERMINATE,
    )


def save(out: Path, predictions: Iterable[Prediction]) -> Path:
    """Write an output folder as `osteolens process` does; returns it."""
    (out / "studies").mkdir(parents=True, exist_ok=True)
    for prediction in predictions:
        write_json(out / "studies" / f"{prediction.study_uid}.json", prediction.as_json())
    return out


def former(document: Mapping[str, object]) -> dict[str, object]:
    """A document of format 2 as a version of format 1 wrote it."""
    names = {"rejection": "refusal", "input_ablation": "subsets", "labelling_margin": "naming_margin"}
    words = {
        "rejected": "refused",
        "usable, but the study was rejected": "usable, but the study was refused",
        "ambiguous_levels": "doubtful_levels",
        "low_confidence": "doubtful",
        "osteoporosis ruled in": "osteoporosis likely",
        "osteoporosis ruled out": "osteoporosis unlikely",
        "indeterminate": "undecided",
    }

    def old(value: object) -> object:
        if isinstance(value, dict):
            return {names.get(key, key): old(part) for key, part in value.items() if key != "format"}
        if isinstance(value, list):
            return [old(part) for part in value]
        return words.get(value, value) if isinstance(value, str) else value

    found = old(document)
    assert isinstance(found, dict)
    return found
