"""Boxes that readers drew, in place of the detector's."""

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
    """Hand-drawn boxes that are classified on in place of the detector's, and a digest of their file."""

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
        """What was drawn on each image of a study; None where boxes of L1 to L4 are not complete.

        Raises:
            ReadError: a box lies outside its image.
        """
        found: list[SpineDetection | None] = []
        for radiograph in radiographs:
            view, shape = radiograph.view, radiograph.pixels.shape
            boxes = self.rois.get((study_uid, view), ()) if view is not None else ()
            drawn = None if view is None else SpineDetection(view, boxes, shape)
            if drawn is not None and not drawn.missing:
                check_inside(study_uid, drawn.view, boxes, shape)
            found.append(None if drawn is None or drawn.missing else drawn)
        return found
