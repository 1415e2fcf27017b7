"""Whether classes can be told from what a classifier should not need: covariates, statistics, headers, names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pydicom
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from classify.config import PreprocessSpec
from classify.crop import column_crop
from classify.preprocess import equalised
from cohort.covariates import Sex
from cohort.io.annotations import Rois
from cohort.io.radiograph import read_radiograph
from cohort.spine import SpineDetection, View
from cohort.study import Study
from osteolens.errors import OsteoLensError

Features = npt.NDArray[np.float64]

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
HEADER_FIELDS = ("KVP", "WindowCenter", "WindowWidth", "ImagerPixelSpacing", "DistanceSourceToDetector", "BitsStored")


def covariate_features(studies: Sequence[Study]) -> Features:
    """Age, sex and BMI, (n, 3)."""
    rows = [(s.covariates.age_years, s.covariates.sex is Sex.MALE, s.covariates.bmi_kg_m2) for s in studies]
    return np.array(rows, float)


def image_features(
    studies: Sequence[Study], rois: Rois, done: Callable[[int], None] = lambda _: None
) -> dict[str, Features]:
    """What single numbers tell of each study, by group: `roi statistics` (n, 18), `size`, `header` and `name`.

    ROI statistics are mean, SD and percentiles of the preprocessed crop of L1-L4 (own pixels alone) in both views. A
    study with an unreadable or missing view keeps zeros there.
    """
    spec = PreprocessSpec(size_px=128)
    groups: dict[str, list[list[float]]] = {"roi statistics": [], "size": [], "header": [], "name": []}
    for number, study in enumerate(studies, start=1):
        found: dict[str, list[float]] = {name: [] for name in groups}
        for view, path in ((View.AP, study.ap), (View.LATERAL, study.lateral)):
            statistics, size, header = [0.0] * (2 + len(PERCENTILES)), [0.0, 0.0], [0.0] * (len(HEADER_FIELDS) + 2)
            boxes = rois.get((study.study_uid, view))
            if path is not None and boxes is not None:
                try:
                    pixels = read_radiograph(path).pixels
                    crop = column_crop(pixels, SpineDetection(view, boxes, pixels.shape))
                    statistics, size = _statistics(crop, spec), [float(n) for n in pixels.shape]
                    header = _header(pydicom.dcmread(path, stop_before_pixels=True))
                except (OsteoLensError, pydicom.errors.InvalidDicomError):
                    pass
            found["roi statistics"] += statistics
            found["size"] += size
            found["header"] += header
        digits = [int(c) for c in study.patient_id if c.isdigit()][-5:]
        found["name"] = [
            float(sum(d * 10**k for k, d in enumerate(reversed(digits)))),
            float(digits[-1] if digits else 0),
        ]
        found["name"] += [float(int(study.study_uid[-6:])) if study.study_uid[-6:].isdigit() else 0.0]
        for name, values in found.items():
            groups[name].append(values)
        done(number)
    return {name: np.array(rows, float) for name, rows in groups.items()}


def _statistics(crop: npt.NDArray[np.float32], spec: PreprocessSpec) -> list[float]:
    image = equalised(crop, spec)
    scale = spec.size_px / max(crop.shape)
    tall, wide = (max(1, round(side * scale)) for side in crop.shape)
    top, left = (spec.size_px - tall) // 2, (spec.size_px - wide) // 2
    own = image[top : top + tall, left : left + wide].astype(float)
    return [float(own.mean()), float(own.std()), *(float(v) for v in np.percentile(own, PERCENTILES))]


def _header(dataset: pydicom.Dataset) -> list[float]:
    values = []
    for name in HEADER_FIELDS:
        value = dataset.get(name, 0)
        first = value[0] if isinstance(value, pydicom.multival.MultiValue) else value
        values.append(float(first or 0))
    return [*values, float("PixelSpacing" in dataset), float(dataset.get("PhotometricInterpretation") == "MONOCHROME1")]


def cross_validated_auc(features: Features, positive: npt.NDArray[np.bool_], seed: int = 0) -> float:
    """Area under the curve of a logistic regression, 10-fold out of sample; 0.5 where a class has under ten members."""
    if min(int(positive.sum()), int((~positive).sum())) < 10:
        return 0.5
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    folds = StratifiedKFold(10, shuffle=True, random_state=seed)
    shares = cross_val_predict(model, features, positive, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(positive, shares))


def shortcut_areas(groups: Mapping[str, Features], positive: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Area of each group and of all together."""
    areas = {name: cross_validated_auc(features, positive) for name, features in groups.items()}
    return {**areas, "all of these": cross_validated_auc(np.concatenate(list(groups.values()), 1), positive)}
