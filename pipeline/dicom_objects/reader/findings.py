"""What a reader says of a study, and the images that it is said of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from classify.classifier import Classified
from cohort.spine import VertebraBox, VertebralLevel, View
from pipeline.prediction import ImageRecord, ModelIdentifiers


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderFindings:
    """What a reader says of one study.

    Attributes:
        reader: name as typed.
        round: 1, or 2 for a second reading.
        read_at: when it was saved, with its time zone.
        hidden_predictions: whether the reader saw no prediction.
        boxes: by view, in pixels of the image as it is read.
        as_predicted: levels whose boxes are those of the result, by view.
        left_out: those of L1-L4 that may not be classified on, by view, with the reason.
        fracture_grades: Genant grades by level.
        not_evaluable: why the study cannot be evaluated, or None.
        corrected: class on these boxes and the weights that it comes from, or None.
        no_class: why there is none, in words; empty where there is one.
    """

    reader: str
    round: int
    read_at: datetime
    hidden_predictions: bool
    boxes: Mapping[View, tuple[VertebraBox, ...]]
    as_predicted: Mapping[View, frozenset[VertebralLevel]] = field(default_factory=dict)
    left_out: Mapping[View, Mapping[VertebralLevel, str]] = field(default_factory=dict)
    fracture_grades: Mapping[VertebralLevel, int] = field(default_factory=dict)
    not_evaluable: str | None = None
    corrected: tuple[Classified, ModelIdentifiers] | None = None
    no_class: str = ""

    @property
    def name(self) -> str:
        """Name of the reading; a second one has a number."""
        return self.reader if self.round == 1 else f"{self.reader}.{self.round}"

    @property
    def model(self) -> ModelIdentifiers | None:
        """Weights of the class on these boxes."""
        return None if self.corrected is None else self.corrected[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadImages:
    """Images of a study that a reader read.

    Attributes:
        paths: of their files.
        records: of the result, one for each path.
        shown: those that boxes lie on, by the path of their record: view, and (rows, columns) where known.
    """

    paths: tuple[Path, ...]
    records: tuple[ImageRecord, ...]
    shown: Mapping[str, tuple[View, tuple[int, int] | None]]
