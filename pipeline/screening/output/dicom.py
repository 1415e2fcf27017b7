"""DICOM objects of each result of a run, and why some were not made."""

from __future__ import annotations

from pathlib import Path

from cohort.spine import View
from cohort.study import Study
from pipeline.dicom_objects.config import DicomConfig
from pipeline.dicom_objects.write import are_current, remove_objects, require_dicom, write_objects
from pipeline.prediction import Prediction


class DicomWriter:
    """Writes the objects that the settings ask for.

    Attributes:
        written: studies whose objects were written, now or in an earlier run.
        not_made: why objects of a study were not made, or an image not referenced, by study_uid.
    """

    def __init__(self, config: DicomConfig, out: Path) -> None:
        """Check that the objects can be made.

        Raises:
            MissingExtra: highdicom is not installed.
        """
        if config.objects:
            require_dicom()
        self._config, self._out = config, out
        self.written = 0
        self.not_made: dict[str, str] = {}

    @property
    def is_asked(self) -> bool:
        """Whether any object is asked for."""
        return bool(self._config.objects)

    def __call__(self, study: Study, prediction: Prediction) -> None:
        """Write the objects of a result, and remove those of an earlier one.

        Raises:
            StudyError: no image can be referenced.
            OutputError: the folder cannot be written.
        """
        uid = prediction.study_uid
        if not self.is_asked:
            remove_objects(uid, self._out)
            return
        overlays = {view: self._out / "overlays" / f"{uid}_{view}.png" for view in View}
        paths = [path for _, path in study.images]
        left_out = write_objects(prediction, paths, overlays, self._config, self._out)
        self.written += 1
        if left_out:
            self.not_made[uid] = "; ".join(left_out)

    def keep(self, study: Study, prediction: Prediction) -> None:
        """Write the objects of an earlier result that is kept, unless they lie there already.

        Raises:
            StudyError: no image can be referenced.
            OutputError: the folder cannot be written.
        """
        if not self.is_asked:
            return
        if are_current(prediction.study_uid, self._config, self._out):
            self.written += 1
        else:
            self(study, prediction)

    def give_up(self, prediction: Prediction, reason: str) -> None:
        """Note why there are no objects, and remove those of an earlier result, which say something else.

        Raises:
            OutputError: a file cannot be removed.
        """
        remove_objects(prediction.study_uid, self._out)
        self.not_made[prediction.study_uid] = reason

    def as_json(self) -> dict[str, object]:
        """For the record of the run; empty where nothing was asked for."""
        return {"dicom": {"studies": self.written, "not_made": dict(self.not_made)}} if self.is_asked else {}
