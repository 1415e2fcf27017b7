"""What is written of a result beside its JSON and pictures: DICOM objects, FHIR resources. Add further kinds here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cohort.study import Study
from pipeline.prediction import Prediction
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.output.dicom import DicomWriter
from pipeline.screening.output.fhir import FhirWriter
from pipeline.screening.output.made import Made


class ObjectWriter(Protocol):
    """Writes one kind of object where the settings ask for it.

    Attributes:
        kind: name of the kind in the record of a run.
        is_asked: whether the settings ask for it.
    """

    kind: str
    is_asked: bool

    def __call__(self, study: Study, prediction: Prediction) -> Made:
        """Write the objects of a result, and remove those of an earlier one."""

    def keep(self, study: Study, prediction: Prediction) -> Made:
        """Write the objects of an earlier result that is kept, unless they lie there already."""

    def remove(self, prediction: Prediction) -> None:
        """Remove the objects of an earlier result, which say something else."""


def object_writers(config: ScreeningConfig, out: Path) -> tuple[ObjectWriter, ...]:
    """One writer of each kind.

    Raises:
        MissingExtra: a package that makes what is asked for is not installed.
    """
    return DicomWriter(config.dicom, out), FhirWriter(config.fhir, out)


@dataclass(slots=True)
class ObjectCounts:
    """Objects of one kind over a run.

    Attributes:
        studies: whose objects were written, now or in an earlier run.
        not_made: why objects of a study were not made, or an image not referenced, by study_uid.
    """

    studies: int = 0
    not_made: dict[str, str] = field(default_factory=dict)

    def add(self, study_uid: str, made: Made) -> None:
        """Count a study."""
        self.studies += made.written
        if made.reason:
            self.not_made[study_uid] = made.reason

    def as_json(self) -> dict[str, object]:
        """For the record of the run."""
        return {"studies": self.studies, "not_made": dict(sorted(self.not_made.items()))}


def no_objects(writers: Sequence[ObjectWriter]) -> Mapping[str, ObjectCounts]:
    """Counts of a run that begins, for each kind that is asked for."""
    return {writer.kind: ObjectCounts() for writer in writers if writer.is_asked}
