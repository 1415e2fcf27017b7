"""What is written of a result beside its JSON and pictures: DICOM objects, FHIR resources. Add further kinds here."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from cohort.study import Study
from pipeline.prediction import Prediction
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.output.dicom import DicomWriter
from pipeline.screening.output.fhir import FhirWriter


class ObjectWriter(Protocol):
    """Writes one kind of object where the settings ask for it.

    Attributes:
        not_made: why objects of a study were not made, by study_uid.
    """

    not_made: dict[str, str]

    def __call__(self, study: Study, prediction: Prediction) -> None:
        """Write the objects of a result, and remove those of an earlier one."""

    def keep(self, study: Study, prediction: Prediction) -> None:
        """Write the objects of an earlier result that is kept, unless they lie there already."""

    def give_up(self, prediction: Prediction, reason: str) -> None:
        """Note why there are no objects, and remove those of an earlier result."""

    def as_json(self) -> dict[str, object]:
        """For the record of the run; empty where nothing was asked for."""


def object_writers(config: ScreeningConfig, out: Path) -> tuple[ObjectWriter, ...]:
    """One writer of each kind.

    Raises:
        MissingExtra: a package that makes what is asked for is not installed.
    """
    return DicomWriter(config.dicom, out), FhirWriter(config.fhir, out)
