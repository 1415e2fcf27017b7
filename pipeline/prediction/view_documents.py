"""What was found in one image, to its file and back."""

from __future__ import annotations

from cohort.findings import CobbAngle
from cohort.rejection_codes import LevelReason
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, VertebralLevel, View
from osteolens.documents.text import visible
from pipeline.prediction.document import (
    MOST_MARGIN,
    BoxDocument,
    FindingsDocument,
    LevelDocument,
    VertebraDocument,
    ViewDocument,
)
from pipeline.prediction.parts import MeasuredVertebra, ViewResult


def vertebra_document(vertebra: MeasuredVertebra) -> VertebraDocument:
    """A measured vertebra as a file holds it."""
    return VertebraDocument(
        level=vertebra.level,
        unit=vertebra.unit,
        anterior_height=round(vertebra.anterior_height, 1),
        middle_height=round(vertebra.middle_height, 1),
        posterior_height=round(vertebra.posterior_height, 1),
        anterior_to_posterior=round(vertebra.anterior_to_posterior, 3),
        middle_to_posterior=round(vertebra.middle_to_posterior, 3),
        posterior_to_neighbours=round(vertebra.posterior_to_neighbours, 3),
        height_loss=round(vertebra.height_loss, 3),
        genant_grade=vertebra.genant_grade,
        confidence=round(vertebra.confidence, 3),
        suspected=vertebra.suspected,
    )


def view_document(result: ViewResult) -> ViewDocument:
    """One image and what was found in it as a file holds it."""
    detection = result.detection
    return ViewDocument(
        image=visible(result.image),
        rows=detection.image_shape[0],
        columns=detection.image_shape[1],
        pixel_spacing_mm=list(result.pixel_spacing_mm) if result.pixel_spacing_mm else None,
        anterior=None if result.anterior_left is None else "left" if result.anterior_left else "right",
        labelling_margin=round(min(detection.labelling_margin, MOST_MARGIN), 3),
        levels={
            level: LevelDocument(used=False, code=why.code, reason=why.reason)
            if (why := result.left_out.get(level))
            else LevelDocument(used=True)
            for level in TARGET_LEVELS
        },
        boxes=[_box(box) for box in detection.boxes],
    )


def _box(box: VertebraBox) -> BoxDocument:
    x0, y0, x1, y1 = (round(value, 1) for value in box.corners)
    loss = {} if box.height_loss is None else {"height_loss": round(box.height_loss, 3)}
    return BoxDocument(level=box.level, x0=x0, y0=y0, x1=x1, y1=y1, confidence=round(box.confidence, 3), **loss)


def view_result(view: View, shown: ViewDocument, findings: FindingsDocument) -> ViewResult:
    """One image and what was found in it from its file."""
    lateral, cobb = view is View.LATERAL, findings.cobb
    spacing = shown.pixel_spacing_mm
    return ViewResult(
        image=shown.image,
        detection=SpineDetection(
            view=view,
            boxes=tuple(VertebraBox(**box.model_dump()) for box in shown.boxes),
            image_shape=(shown.rows, shown.columns),
            labelling_margin=shown.labelling_margin,
        ),
        pixel_spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        left_out={
            VertebralLevel(level): LevelReason(code=why.code, reason=why.reason)
            for level, why in shown.levels.items()
            if why.code is not None and why.reason is not None
        },
        vertebrae={v.level: MeasuredVertebra(**v.model_dump()) for v in findings.vertebrae} if lateral else {},
        cobb=CobbAngle(degrees=cobb.degrees, upper=cobb.upper, lower=cobb.lower) if cobb and not lateral else None,
        anterior_left=None if shown.anterior is None else shown.anterior == "left",
    )
