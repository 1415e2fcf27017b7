"""How well a simulated cohort's classes can be told at all: from the true density, shell and size of the bones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from cohort.bmd import BMD_CLASSES
from cohort.eligibility import exclusions
from cohort.io.folder import index_cohort
from cohort.splits import Split, is_test_site, split_of
from cohort.study import Study
from osteolens.errors import ReadError
from pipeline.audit.shortcut_learning import covariate_features
from pipeline.evaluation.statistics import auc

TRUE_BONES = ["vbmd_mg_cm3", "shell_mm", "bone_size"]
"""Columns of a simulated cohort.csv that no image tells exactly."""


def ceiling(cohort: Path) -> dict[str, dict[str, dict[str, float]]]:
    """AUC of every class by test site, of a quadratic logistic regression fitted on the training site.

    `covariates` is given age, sex and BMI; `true bones` also the true volumetric BMD, shell thickness and bone size,
    which bounds what a perfect reader of the images could reach with them.

    Raises:
        ReadError: not a simulated cohort, or without eligible training and test studies.
    """
    path = cohort / "cohort.csv"
    table = pd.read_csv(path).set_index("study_uid") if path.is_file() else pd.DataFrame()
    if not set(TRUE_BONES) <= set(table.columns):
        raise ReadError(f"{path}: no columns {', '.join(TRUE_BONES)}; expected a cohort of osteolens simulate")
    studies = [study for study in index_cohort(cohort).studies if not exclusions(study)]
    training = [s for s in studies if not is_test_site(s.site) and s.site != VALIDATION_SITE]
    sites = sorted({s.site for s in studies if s.site is not None and is_test_site(s.site)})
    if not training or not sites:
        raise ReadError(f"{cohort}: {len(training)} training studies and {len(sites)} test sites; expected both")
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, given in (("covariates", False), ("true bones", True)):
        model = make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression(max_iter=5000))
        model.fit(_features(training, table, given), _labels(training))
        found[name] = {}
        for site in sites:
            own = [study for study in studies if study.site == site]
            shares, labels = model.predict_proba(_features(own, table, given)), _labels(own)
            found[name][site] = {
                c.value: auc(labels == k, shares[:, k]).value
                for k, c in enumerate(BMD_CLASSES)
                if 0 < (labels == k).sum() < len(labels)
            }
    return found


def _features(studies: list[Study], table: pd.DataFrame, true_bones: bool) -> npt.NDArray[np.float64]:
    covariates = covariate_features(studies)
    if not true_bones:
        return covariates
    bones = table.loc[[study.study_uid for study in studies], TRUE_BONES].to_numpy(float)
    return np.concatenate((covariates, bones), 1)


def _labels(studies: list[Study]) -> npt.NDArray[np.int64]:
    classes = [study.dxa.bmd_class for study in studies if study.dxa is not None]
    return np.array([BMD_CLASSES.index(c) for c in classes if c is not None], np.int64)
