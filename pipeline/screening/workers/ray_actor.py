"""What runs in a worker of Ray: a loaded set of models that writes into a folder of its own."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import cv2

from cohort.study import Study
from osteolens.errors import OsteoLensError, WeightsError
from pipeline.bundle.load import load_bundle
from pipeline.screening.radiograph_reader import LoadedStudy
from pipeline.screening.workers.returned import ReturnedStudy, place_files, taken_files
from pipeline.screening.workers.settings import WorkerSettings
from pipeline.screening.workers.worker import StudyWorker


class ScreeningActor:
    """Reads studies as they come and screens one after the other.

    Errors are answers, so that Ray, which writes what is raised into its logs, sees none of them.
    """

    def __init__(self, settings: WorkerSettings, scratch: Path | None, release: str) -> None:
        """Load the models.

        Args:
            settings: of one worker; its folder of results is the caller's, and not written here.
            scratch: folder that the private one is made in; that of the system when None.
            release: version of OsteoLens that the caller runs.
        """
        self._out = Path(tempfile.mkdtemp(prefix="osteolens-", dir=scratch))
        self._error: OsteoLensError | None = None
        self._lock = threading.Lock()
        self._coming: dict[int, Future[LoadedStudy]] = {}
        self._screened: set[int] = set()
        cv2.setNumThreads(max(1, settings.config.threads))
        for name in ("studies", "overlays"):
            (self._out / name).mkdir()
        try:
            _check_same(settings, release)
            self._worker = StudyWorker(replace(settings, out=self._out))
        except OsteoLensError as error:
            self._error = error
            shutil.rmtree(self._out, ignore_errors=True)

    def ready(self) -> OsteoLensError | None:
        """What kept the models from being loaded."""
        return self._error

    def read(self, number: int, study: Study) -> None:
        """Start to read a study."""
        with self._lock:
            if self._error is None and number not in self._screened:
                self._reading(number, study)

    def screen(self, number: int, study: Study, earlier: Mapping[str, bytes]) -> ReturnedStudy | OsteoLensError:
        """Screen a study.

        Args:
            number: of the study.
            study: to screen.
            earlier: files of an earlier result that the new ones depend on.
        """
        if self._error is not None:
            return self._error
        try:
            place_files(earlier, self._out)
            with self._lock:
                loaded = self._reading(number, study)
                del self._coming[number]
                self._screened.add(number)
            stored = self._worker.screen(study, loaded)
            return ReturnedStudy(stored, taken_files(study.study_uid, self._out))
        except OsteoLensError as error:
            return error

    def close(self) -> None:
        """Remove the private folder and stop reading."""
        shutil.rmtree(self._out, ignore_errors=True)
        if self._error is None:
            self._worker.__exit__(None, None, None)

    def _reading(self, number: int, study: Study) -> Future[LoadedStudy]:
        if number not in self._coming:
            self._coming[number] = self._worker.read(study)
        return self._coming[number]


def _check_same(settings: WorkerSettings, release: str) -> None:
    """Refuse to screen with another version or other weights than the caller has.

    Raises:
        WeightsError: they differ, or the weights cannot be read on this machine.
    """
    if (here := version("osteolens")) != release:
        raise WeightsError(f"a machine of the cluster has OsteoLens {here}, expected {release}; install the same there")
    bundle = load_bundle(settings.bundle.detector.parent)
    if bundle.identifiers != settings.bundle.identifiers:
        raise WeightsError(
            f"a machine of the cluster has weights {bundle.version} in {settings.bundle.detector.parent} that differ "
            "from those of this run; put the same files there"
        )
