"""Rows of results that stand unaltered, so that a rerun parses none of them."""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from cohort.study import Study
from osteolens.documents.text import visible
from osteolens.file_state import FileState, file_state, is_settled
from pipeline.prediction import ModelIdentifiers, stored_covariates
from pipeline.screening.assessment import told_path
from pipeline.screening.output.rows import PredictionRow, row_of
from pipeline.screening.rerun.record import Record
from pipeline.screening.stored_study import result_path, standing_result

Digest = Callable[[Path], str]


class KnownResults:
    """The rows of one folder of results.

    A row is taken from the record only where the result's file is unchanged since it was read and found to stand, and
    where all that it was compared with is the same: model, settings, ROIs, patient, covariates, images by their
    digests, images that were set aside, spacing, day and radiography system.
    """

    def __init__(self, out: Path, root: Path | None, source: ModelIdentifiers) -> None:
        """Read the record.

        Args:
            out: folder of results.
            root: folder that paths are told from.
            source: identifiers of the weights and settings of this run.
        """
        self._out, self._root, self._source = out, root, source
        self._identifiers = source.as_json()
        self._record: Record[tuple[str, PredictionRow]] = Record(out, "results", tuple[str, PredictionRow])
        self._states: dict[str, FileState | None] = {}
        self._waiting: deque[tuple[int, Study, Mapping[str, str]]] = deque()

    def row(self, study: Study, digest: Digest) -> PredictionRow | None:
        """Row of a result that stands, of 0 seconds, or None where it has to be read; the file's state is noted.

        Args:
            study: to screen.
            digest: gives the digest of an image.
        """
        self._states[study.study_uid] = state = file_state(result_path(study, self._out))
        entry = None if state is None else self._record.get(study.study_uid, state)
        return entry[1] if entry is not None and entry[0] == self._inputs(study, digest) else None

    def add(self, study: Study, row: PredictionRow, digest: Digest) -> None:
        """Take the row of a result that was read and found to stand after `row` was asked for it.

        Args:
            study: it is of.
            row: of 0 seconds.
            digest: gives the digest of an image.
        """
        self._record.put(study.study_uid, self._states.get(study.study_uid), (self._inputs(study, digest), row))

    def written(self, study: Study, digests: Mapping[str, str]) -> None:
        """Take results that were written a while ago; this one has its turn when its times can be trusted.

        Args:
            study: whose result is written.
            digests: SHA-256 of each image, by its path as told.
        """
        self._waiting.append((time.time_ns(), study, digests))
        while self._waiting and is_settled(self._waiting[0][0]):
            _, earlier, of_images = self._waiting.popleft()
            self._check(earlier, of_images)

    def write(self, finished: bool = True) -> None:
        """Write the record.

        Args:
            finished: whether every study was asked for.

        Raises:
            OutputError: it cannot be written.
        """
        self._record.write(finished)

    def _check(self, study: Study, digests: Mapping[str, str]) -> None:
        def digest(image: Path) -> str:
            return digests.get(told_path(image, self._root), "")

        self._states[study.study_uid] = file_state(result_path(study, self._out))
        result = standing_result(study, self._out, self._source, self._root, digest)
        if result is not None and result.is_of_day_and_system:
            self.add(study, row_of(result.prediction, 0.0), digest)

    def _inputs(self, study: Study, digest: Digest) -> str:
        """Digest of all that a result is compared with."""
        covariates = stored_covariates(study.covariates)
        parts = (
            self._identifiers,
            visible(study.patient_id),
            (covariates.age_years, covariates.sex, covariates.bmi_given),
            [(told_path(image, self._root), digest(image)) for _, image in study.images],
            [told_path(image, self._root) for _, image, _ in study.set_aside],
            study.plain_spacing_mm,
            None if study.study_date is None else study.study_date.isoformat(),
            None if study.system is None else visible(study.system),
        )
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
