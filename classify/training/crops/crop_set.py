"""Studies of a training in arrays, and their cached crops."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from cohort.cache_key import digest_of_parts
from cohort.spine import View

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyArrays:
    """What a training knows of studies, beside their images or features.

    Attributes:
        rows: int64 (n,), where each study stands in the images or features.
        present: float32 (n, 2), whether AP and lateral are there.
        covariates: float32 (n, 6).
        labels: int64 (n,), index into BMD_CLASSES.
        t_scores: float32 (n,).
        level_t_scores: float32 (n, 4), of L1 to L4; NaN where DXA gives none.
        study_uids: n identifiers.
        patient_ids: n, equal for studies of one patient.
        made_from: digest of what the images or features were made from.
    """

    rows: npt.NDArray[np.int64]
    present: Floats
    covariates: Floats
    labels: npt.NDArray[np.int64]
    t_scores: Floats
    level_t_scores: Floats
    study_uids: tuple[str, ...]
    patient_ids: tuple[str, ...]
    made_from: str

    def of_views(self, views: Sequence[View]) -> Self:
        """The studies that have one of these views, the other view hidden."""
        shown = self.present * np.array([float(view in views) for view in View], np.float32)
        return replace(self, present=shown)._of_rows(np.flatnonzero(shown.any(1)))

    def of_patients(self, patient_ids: Collection[str]) -> Self:
        """The studies of these patients."""
        return self._of_rows(np.flatnonzero([patient in patient_ids for patient in self.patient_ids]))

    @property
    def digest(self) -> str:
        """Of the images or features and of all that is known of their studies."""
        arrays = (self.rows, self.present, self.covariates, self.labels, self.t_scores, self.level_t_scores)
        contents = [hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest() for array in arrays]
        return digest_of_parts(self.made_from, contents, self.study_uids, self.patient_ids)

    def _of_rows(self, usable: npt.NDArray[np.intp]) -> Self:
        return replace(
            self,
            rows=self.rows[usable],
            present=self.present[usable],
            covariates=self.covariates[usable],
            labels=self.labels[usable],
            t_scores=self.t_scores[usable],
            level_t_scores=self.level_t_scores[usable],
            study_uids=tuple(self.study_uids[k] for k in usable),
            patient_ids=tuple(self.patient_ids[k] for k in usable),
        )


def concatenated(parts: Sequence[StudyArrays]) -> StudyArrays:
    """The studies of several parts in turn; their rows stay as they are."""
    return StudyArrays(
        rows=np.concatenate([part.rows for part in parts]),
        present=np.concatenate([part.present for part in parts]),
        covariates=np.concatenate([part.covariates for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        t_scores=np.concatenate([part.t_scores for part in parts]),
        level_t_scores=np.concatenate([part.level_t_scores for part in parts]),
        study_uids=tuple(uid for part in parts for uid in part.study_uids),
        patient_ids=tuple(patient for part in parts for patient in part.patient_ids),
        made_from=digest_of_parts([part.made_from for part in parts]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CropSet(StudyArrays):
    """Preprocessed studies.

    Attributes:
        images: uint8 (rows, variants, 2, crops, size, size), memory-mapped; AP then lateral, grey where absent.
        folder: cache that holds the images.
    """

    images: Bytes
    folder: Path
