"""Upper bound of the AUC on images of a simulated cohort: AUC from the true bones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.splits import Split, is_test_site, split_of_site
from pipeline.audit.patients import Flags, Floats, SimulatedPatients
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.evaluation.statistics.roc import auc


class OracleInputs(StrEnum):
    """Inputs of an oracle."""

    COVARIATES = "covariates"
    TRUE_BONES = "covariates and true bones"


@dataclass(frozen=True, slots=True, kw_only=True)
class OracleAuc:
    """AUC of every class on one test site, with DeLong's interval.

    Attributes:
        inputs: that the oracle was given.
        site: test site.
        studies: patients of the site.
        auc: by class, without those that are absent or alone on this site.
    """

    inputs: OracleInputs
    site: str
    studies: int
    auc: Mapping[BmdClass, Estimate]


def oracle_aucs(patients: SimulatedPatients) -> tuple[OracleAuc, ...]:
    """AUC by test site of a quadratic logistic regression fitted on the training sites.

    COVARIATES are age, sex and BMI; TRUE_BONES adds the true volumetric BMD, shell thickness and bone size, which
    bounds what a perfect reader of the images could reach with them. Empty without a test site, or with training
    patients of fewer than two classes.
    """
    sites = np.array(patients.sites)
    training = np.array([split_of_site(site) in (Split.TRAINING, None) for site in patients.sites])
    if len(np.unique(patients.labels[training])) < 2:
        return ()
    tests = sorted({site for site in patients.sites if is_test_site(site)})
    results = []
    for inputs in OracleInputs:
        features = _features(patients, inputs)
        model = make_pipeline(StandardScaler(), PolynomialFeatures(2), LogisticRegression(max_iter=5000))
        model.fit(features[training], patients.labels[training])
        classes = [BMD_CLASSES[k] for k in model.classes_]
        for site in tests:
            of_site = sites == site
            probabilities = np.asarray(model.predict_proba(features[of_site]), float)
            auc_by_class = _aucs(patients.labels[of_site], probabilities, classes)
            results.append(OracleAuc(inputs=inputs, site=site, studies=int(of_site.sum()), auc=auc_by_class))
    return tuple(results)


def _features(patients: SimulatedPatients, inputs: OracleInputs) -> Floats:
    if inputs is OracleInputs.COVARIATES:
        return patients.covariates
    bones = np.stack((patients.vbmd_mg_cm3, patients.shell_mm, patients.bone_size), 1)
    return np.concatenate((patients.covariates, bones), 1)


def _aucs(
    labels: npt.NDArray[np.int64], probabilities: Floats, classes: Sequence[BmdClass]
) -> dict[BmdClass, Estimate]:
    by_class = {}
    for column, bmd_class in enumerate(classes):
        positive: Flags = labels == BMD_CLASSES.index(bmd_class)
        if positive.any() and not positive.all():
            by_class[bmd_class] = auc(positive, probabilities[:, column])
    return by_class
