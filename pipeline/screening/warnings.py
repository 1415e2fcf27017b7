"""Warnings of a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from classify.calibration import FAMILIAR
from cohort.covariates import Covariates
from cohort.rejection_codes import RejectionCode
from cohort.spine import View
from cohort.study import SpacingSource
from detect.quality_control import warnings_of
from pipeline.screening.assessment import AssessedView
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.radiograph_reader import LoadedStudy

YOUNGEST_YEARS = 50
"""Age below which a patient lies outside the population of the shipped weights."""


def study_warnings(
    loaded: LoadedStudy,
    images: Sequence[AssessedView],
    classified: Set[View],
    config: ScreeningConfig,
    quality_controlled: bool = True,
) -> tuple[str, ...]:
    """Warnings of one study, of its files first.

    Args:
        loaded: the study.
        images: its images as quality control left them.
        classified: views that the class comes from.
        config: settings of the screening.
        quality_controlled: whether the detector's boxes are used; manual ROIs draw no warning of level labelling.
    """
    warnings = [*loaded.study.notes, *(f"an image was left out: {reason}" for _, reason in loaded.unread)]
    if config.shift_levels:
        warnings.append(f"a reader moved all levels by {config.shift_levels:+d}")
    for image in images:
        warnings += [f"{image.radiograph.path.name}: {note}" for note in image.radiograph.notes]
        if image.rejection is not None:
            if image.rejection.code is RejectionCode.ANOTHER_IMAGE:
                warnings.append(f"an image was left out: {image.rejection.reason}")
            elif classified:
                warnings.append(f"a view was left out ({image.rejection.code}): {image.rejection.reason}")
            continue
        if quality_controlled:
            warnings += warnings_of(image.detection, image.radiograph, image.quality.cobb, config.detection)
        warnings += [f"{image.view}: {level} is left out: {why.reason}" for level, why in image.left_out.items()]
    if any(image.radiograph.spacing_source is SpacingSource.NONE for image in images):
        warnings.append("no pixel spacing; heights are in pixels, and sizes cannot be checked")
    return (*warnings, *(_input_warnings(classified, loaded.study.covariates) if classified else ()))


def distance_warnings(distances: Mapping[View, float]) -> tuple[str, ...]:
    """Of views that are unlike those that the weights were calibrated on.

    Args:
        distances: of the features of each view, as multiples of their limits (`classify.classifier.Classified`).
    """
    return tuple(
        f"{view}: unlike the films that the weights were trained and calibrated on (its features lie {distance:.1f} "
        f"times as far from them as those of {100 * FAMILIAR:g} % of patients at most); the class may be wrong"
        for view, distance in distances.items()
        if distance > 1
    )


def _input_warnings(views: Set[View], covariates: Covariates) -> list[str]:
    """What is absent from the inputs, or outside the population of the weights."""
    warnings = [f"no {view.value} view; accuracy is lower with one view" for view in View if view not in views]
    for name in ("age_years", "sex", "bmi_kg_m2"):
        if getattr(covariates, name) is None:
            warnings.append(f"{name} is unknown; accuracy is lower without it")
    age = covariates.age_years
    if age is not None and age < YOUNGEST_YEARS:
        warnings.append(f"age {age:.0f} is below {YOUNGEST_YEARS} years, outside the population of the weights")
    return warnings
