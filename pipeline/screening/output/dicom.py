"""DICOM objects of each result of a run."""

from __future__ import annotations

from pathlib import Path

from cohort.spine import View
from cohort.study import Study
from pipeline.dicom_objects.config import DicomConfig
from pipeline.dicom_objects.write import are_current, remove_objects, require_dicom, write_objects
from pipeline.prediction import Prediction
from pipeline.screening.output.made import Made


class DicomWriter:
    """Writes the objects that the settings ask for.

    Attributes:
        is_asked: whether any object is asked for.
    """

    kind = "dicom"

    def __init__(self, config: DicomConfig, out: Path) -> None:
        """Check that the objects can be made.

        Raises:
            MissingExtra: highdicom is not installed.
        """
        if config.objects:
            require_dicom()
        self._config, self._out = config, out
        self.is_asked = bool(config.objects)

    def __call__(self, study: Study, prediction: Prediction) -> Made:
        """Write the objects of a result, and remove those of an earlier one.

        Raises:
            StudyError: no image can be referenced.
            OutputError: the folder cannot be written.
        """
        uid = prediction.study_uid
        if not self.is_asked:
            remove_objects(uid, self._out)
            return Made(False)
        overlays = {view: self._out / "overlays" / f"{uid}_{view}.png" for view in View}
        paths = [path for _, path in study.images]
        left_out = write_objects(prediction, paths, overlays, self._config, self._out)
        return Made(True, "; ".join(left_out))

    def keep(self, study: Study, prediction: Prediction) -> Made:
        """Write the objects of an earlier result that is kept, unless they lie there already.

        Raises:
            StudyError: no image can be referenced.
            OutputError: the folder cannot be written.
        """
        if not self.is_asked:
            return Made(False)
        if are_current(prediction.study_uid, self._config, self._out):
            return Made(True)
        return self(study, prediction)

    def remove(self, prediction: Prediction) -> None:
        """Remove the objects of an earlier result, which say something else.

        Raises:
            OutputError: a file cannot be removed.
        """
        remove_objects(prediction.study_uid, self._out)
