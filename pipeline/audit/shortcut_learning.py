"""Whether classes can be told from what a classifier should not need: image statistics, sizes, headers, names.

Source: Geirhos et al. 2020, "Shortcut learning in deep neural networks".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.config import PreprocessSpec
from classify.crop import crop_corners
from classify.preprocess import preprocess_crop
from cohort.io.annotations import Rois
from cohort.io.radiograph import read_radiograph
from cohort.spine import SpineDetection, VertebraBox, View
from cohort.study import Study
from osteolens.errors import OsteoLensError
from osteolens.letterbox import Letterbox
from osteolens.progress import Progress, silent

Features = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SPEC = PreprocessSpec(size_px=128)
FOLDS = 10
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
HEADER_FIELDS = ("KVP", "WindowCenter", "WindowWidth", "ImagerPixelSpacing", "DistanceSourceToDetector", "BitsStored")


class FeatureGroup(StrEnum):
    """Features that a classifier should not need."""

    ROI_STATISTICS = "ROI statistics"
    SIZE = "size"
    HEADER = "header"
    NAME = "name"
    ALL = "all of these"


@dataclass(frozen=True, slots=True)
class _ViewFeatures:
    """Numbers of one view; zeros where it is missing or unreadable."""

    statistics: list[float]
    size: list[float]
    header: list[float]


_NOTHING = _ViewFeatures([0.0] * (2 + len(PERCENTILES)), [0.0, 0.0], [0.0] * (len(HEADER_FIELDS) + 2))


def shortcut_features(
    studies: Sequence[Study], rois: Rois, progress: Progress = silent
) -> dict[FeatureGroup, Features]:
    """Single numbers of each study by group, (n, k) each.

    ROI statistics are mean, SD and percentiles of the preprocessed crop of L1-L4 (without its border) in both views. A
    study with an unreadable or missing view has zeros there.

    Args:
        studies: whose images are read.
        rois: boxes of L1-L4 of both views.
        progress: told after every study.
    """
    rows: dict[FeatureGroup, list[list[float]]] = {group: [] for group in FeatureGroup}
    for number, study in enumerate(studies, start=1):
        views = [_view_features(view, study, rois) for view in View]
        groups = {
            FeatureGroup.ROI_STATISTICS: [value for view in views for value in view.statistics],
            FeatureGroup.SIZE: [value for view in views for value in view.size],
            FeatureGroup.HEADER: [value for view in views for value in view.header],
            FeatureGroup.NAME: _name_features(study),
        }
        groups[FeatureGroup.ALL] = [value for values in groups.values() for value in values]
        for group, values in groups.items():
            rows[group].append(values)
        progress(number, len(studies))
    return {group: np.array(values, float) for group, values in rows.items()}


def _view_features(view: View, study: Study, rois: Rois) -> _ViewFeatures:
    path = study.ap if view is View.AP else study.lateral
    boxes = rois.get((study.study_uid, view))
    if path is None or boxes is None:
        return _NOTHING
    try:
        return _image_features(path, view, boxes)
    except (OsteoLensError, pydicom.errors.InvalidDicomError):
        return _NOTHING


def _image_features(path: Path, view: View, boxes: tuple[VertebraBox, ...]) -> _ViewFeatures:
    pixels = read_radiograph(path).pixels
    x0, y0, x1, y1 = crop_corners(pixels.shape, SpineDetection(view, boxes, pixels.shape))
    place = Letterbox.of((y1 - y0, x1 - x0), SPEC.size_px)
    image = place.inside(preprocess_crop(pixels, SPEC, (x0, y0, x1, y1))).astype(float)
    return _ViewFeatures(
        [float(image.mean()), float(image.std()), *(float(v) for v in np.percentile(image, PERCENTILES))],
        [float(side) for side in pixels.shape],
        _header_features(pydicom.dcmread(path, stop_before_pixels=True)),
    )


def _header_features(dataset: pydicom.Dataset) -> list[float]:
    values = []
    for name in HEADER_FIELDS:
        value = dataset.get(name, 0)
        first = value[0] if isinstance(value, pydicom.multival.MultiValue) else value
        values.append(float(first or 0))
    return [*values, float("PixelSpacing" in dataset), float(dataset.get("PhotometricInterpretation") == "MONOCHROME1")]


def _name_features(study: Study) -> list[float]:
    """The last five digits of the patient's identifier, the last one, and the last six of the study's."""
    digits = "".join(c for c in study.patient_id if c.isdigit())[-5:]
    end = study.study_uid[-6:]
    return [float(digits or 0), float(digits[-1:] or 0), float(end) if end.isdigit() else 0.0]


def shortcut_aucs(features: Mapping[FeatureGroup, Features], positive: Flags) -> dict[FeatureGroup, float]:
    """Cross-validated AUC of each group of features."""
    return {group: cross_validated_auc(values, positive) for group, values in features.items()}


def cross_validated_auc(features: Features, positive: Flags, seed: int = 0) -> float:
    """AUC of a logistic regression on features (n, k), 10-fold out of sample; 0.5 with under ten members of a class."""
    if min(int(positive.sum()), int((~positive).sum())) < FOLDS:
        return 0.5
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    probabilities = cross_val_predict(model, features, positive, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(positive, probabilities))
