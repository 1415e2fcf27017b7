"""FHIR resources of each result of a run."""

from __future__ import annotations

from pathlib import Path

from cohort.study import Study
from pipeline.fhir.write import remove_resources, require_fhir, resources_json, resources_path, write_resources
from pipeline.prediction import Prediction
from pipeline.screening.output.made import Made


class FhirWriter:
    """Writes the resources where the settings ask for them.

    Attributes:
        is_asked: whether they are asked for.
    """

    kind = "fhir"

    def __init__(self, is_asked: bool, out: Path) -> None:
        """Check that the resources can be made.

        Raises:
            MissingExtra: fhir.resources is not installed.
        """
        if is_asked:
            require_fhir()
        self.is_asked, self._out = is_asked, out

    def __call__(self, study: Study, prediction: Prediction) -> Made:
        """Write the resources of a result, and remove those of an earlier one.

        Raises:
            OutputError: the folder cannot be written.
        """
        if not self.is_asked:
            remove_resources(prediction.study_uid, self._out)
            return Made(False)
        return Made(bool(write_resources(prediction, self._out)))

    def keep(self, study: Study, prediction: Prediction) -> Made:
        """Write the resources of an earlier result that is kept, unless they lie there already.

        Raises:
            OutputError: the folder cannot be written.
        """
        path = resources_path(prediction.study_uid, self._out)
        if not self.is_asked:
            return Made(False)
        if path.is_file() and path.read_text("utf-8", "replace") == resources_json(prediction):
            return Made(True)
        return self(study, prediction)

    def remove(self, prediction: Prediction) -> None:
        """Remove the resources of an earlier result, which say something else.

        Raises:
            OutputError: a file cannot be removed.
        """
        remove_resources(prediction.study_uid, self._out)
