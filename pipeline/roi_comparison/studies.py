"""The same studies on manual and on automatic ROIs, through the same classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cohort.bmd import OSTEOPOROSIS_INDEX
from cohort.io.annotations import Rois
from cohort.spine import View

AUTOMATIC_NAME = "detector (automatic)"
"""How tables and figures call the automatic ROIs; results keep them apart from readers, whatever a reader's name."""

MEAN_NAME = "mean of the readers' probabilities"

LOWEST, HIGHEST = (2.0, 2.0, -1.0), (-1.0, -1.0, 2.0)
"""In place of probabilities: osteoporosis below, and above, that of every study."""

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Readings:
    """One reader's, or the detector's, ROIs and what the classifier predicts on them.

    Attributes:
        probabilities: (n, 3).
        rois: boxes of L1-L4 in both views of each study.
    """

    probabilities: Floats
    rois: Rois

    @property
    def predicted(self) -> Labels:
        """(n,) index of the most probable class."""
        return np.asarray(self.probabilities.argmax(1), np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorFailures:
    """Studies with manual ROIs of every reader on which the detector gives none.

    Attributes:
        study_uids: of m studies.
        patient_ids: their patients.
        reasons: why each has no automatic ROIs.
        labels: (m,) class by DXA, index into BMD_CLASSES.
        probabilities: by reader, (m, 3) on manual ROIs; NaN where the images cannot be read.
    """

    study_uids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    reasons: tuple[str, ...]
    labels: Labels
    probabilities: Mapping[str, Floats]


NO_FAILURES = DetectorFailures(
    study_uids=(), patient_ids=(), reasons=(), labels=np.zeros(0, np.int64), probabilities={}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedStudies:
    """Studies with ROIs of every reader and of the detector.

    Attributes:
        study_uids: of n studies.
        patient_ids: their patients.
        labels: (n,) class by DXA, index into BMD_CLASSES.
        readers: manual readings by reader.
        automatic: on the detector's ROIs.
        spacing_mm: by view, (n,) width of a pixel at the detector; NaN when unknown.
        detection_seconds: (n,) time of detection in both views.
        failures: studies on which the detector failed; none of them is among the n.
    """

    study_uids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    labels: Labels
    readers: Mapping[str, Readings]
    automatic: Readings
    spacing_mm: Mapping[View, Floats]
    detection_seconds: Floats
    failures: DetectorFailures = NO_FAILURES

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the manual readers."""
        return tuple(self.readers)

    @property
    def mean_of_readers(self) -> Readings:
        """The mean of the readers' probabilities as one more reader, without boxes."""
        return Readings(np.asarray(np.mean([reader.probabilities for reader in self.readers.values()], 0)), {})

    @property
    def patients(self) -> Labels:
        """(n,) number of each study's patient."""
        return numbered(self.patient_ids)

    def corners(self, rois: Rois, view: View) -> Floats:
        """Boxes of one view (n, 4 levels, 4 corners) in pixels."""
        return np.array([[box.corners for box in rois[uid, view]] for uid in self.study_uids], float)

    def with_failures_against_the_detector(self) -> ComparedStudies:
        """All studies, those without automatic ROIs among them, each counted against the detector, for osteoporosis.

        There the detector ranks osteoporosis below and anything else above all other studies, so that it misses what is
        there and calls what is not. Where a reader has no probability either, since the images cannot be read, the
        reader is taken to be right. Boxes are left out.
        """
        failures = self.failures
        if not failures.study_uids:
            return self
        is_osteoporosis = (failures.labels == OSTEOPOROSIS_INDEX)[:, None]
        right, wrong = np.where(is_osteoporosis, HIGHEST, LOWEST), np.where(is_osteoporosis, LOWEST, HIGHEST)
        readers = {name: np.where(np.isfinite(known), known, right) for name, known in failures.probabilities.items()}
        return replace(
            self,
            study_uids=(*self.study_uids, *failures.study_uids),
            patient_ids=(*self.patient_ids, *failures.patient_ids),
            labels=np.concatenate((self.labels, failures.labels)),
            readers={
                name: Readings(np.concatenate((reader.probabilities, readers[name])), {})
                for name, reader in self.readers.items()
            },
            automatic=Readings(np.concatenate((self.automatic.probabilities, wrong)), {}),
            failures=NO_FAILURES,
        )


def numbered(patient_ids: Sequence[str]) -> Labels:
    """(n,) a number for each patient."""
    return np.unique(np.array(patient_ids, object).astype(str), return_inverse=True)[1].astype(np.int64)
