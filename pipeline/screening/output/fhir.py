"""FHIR resources of each result of a run."""

from __future__ import annotations

from pathlib import Path

from cohort.study import Study
from pipeline.fhir.write import remove_resources, require_fhir, resources_json, resources_path, write_resources
from pipeline.prediction import Prediction


class FhirWriter:
    """Writes the resources where the settings ask for them.

    Attributes:
        written: studies whose resources were written, now or in an earlier run.
        not_made: why resources of a study were not made, by study_uid.
    """

    def __init__(self, is_asked: bool, out: Path) -> None:
        """Check that the resources can be made.

        Raises:
            MissingExtra: fhir.resources is not installed.
        """
        if is_asked:
            require_fhir()
        self.is_asked, self._out = is_asked, out
        self.written = 0
        self.not_made: dict[str, str] = {}

    def __call__(self, study: Study, prediction: Prediction) -> None:
        """Write the resources of a result, and remove those of an earlier one.

        Raises:
            OutputError: the folder cannot be written.
        """
        if not self.is_asked:
            remove_resources(prediction.study_uid, self._out)
        else:
            self.written += write_resources(prediction, self._out)

    def keep(self, study: Study, prediction: Prediction) -> None:
        """Write the resources of an earlier result that is kept, unless they lie there already.

        Raises:
            OutputError: the folder cannot be written.
        """
        path = resources_path(prediction.study_uid, self._out)
        if not self.is_asked:
            return
        if path.is_file() and path.read_text("utf-8", "replace") == resources_json(prediction):
            self.written += 1
        else:
            self(study, prediction)

    def give_up(self, prediction: Prediction, reason: str) -> None:
        """Note why there are no resources, and remove those of an earlier result, which say something else.

        Raises:
            OutputError: a file cannot be removed.
        """
        remove_resources(prediction.study_uid, self._out)
        self.not_made[prediction.study_uid] = reason

    def as_json(self) -> dict[str, object]:
        """For the record of the run; empty where nothing was asked for."""
        return {"fhir": {"studies": self.written, "not_made": dict(self.not_made)}} if self.is_asked else {}
