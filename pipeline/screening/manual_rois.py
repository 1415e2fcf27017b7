"""Manual boxes in place of the detector's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cohort.io.annotations import Rois, check_inside, read_rois
from cohort.io.digest import sha256_of
from cohort.spine import SpineDetection
from cohort.study import Radiograph


@dataclass(frozen=True, slots=True)
class ManualRois:
    """Boxes of a manual reader, used in place of the detector's, and a digest of their file."""

    rois: Rois
    digest: str

    @classmethod
    def read(cls, path: Path) -> ManualRois:
        """From a table as `read_rois` takes it.

        Raises:
            ReadError: as for `read_rois`.
        """
        return cls(read_rois(path), sha256_of(path)[:16])

    def detections(self, study_uid: str, radiographs: Sequence[Radiograph]) -> list[SpineDetection | None]:
        """The boxes of each image of a study; None where boxes of L1 to L4 are not complete.

        Raises:
            ReadError: a box lies outside its image.
        """
        return [self._detection(study_uid, radiograph) for radiograph in radiographs]

    def _detection(self, study_uid: str, radiograph: Radiograph) -> SpineDetection | None:
        view, shape = radiograph.view, radiograph.pixels.shape
        if view is None:
            return None
        boxes = self.rois.get((study_uid, view), ())
        detection = SpineDetection(view, boxes, shape)
        if detection.missing:
            return None
        check_inside(study_uid, view, boxes, shape)
        return detection
