"""The only inference of classification: an ONNX classifier through onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classify.calibration import (
    NO_CALIBRATION,
    Calibration,
    Decision,
    apply_temperature,
    prediction_set,
    rule_in_or_out,
)
from classify.config import PreprocessSpec
from classify.covariates import encode
from classify.crop import roi_corners
from classify.files import FEATURE_DISTANCE, OUTPUTS
from classify.inputs import branch_name
from classify.preprocess import normalise, preprocess_crop
from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.covariates import Covariates
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebralLevel, View
from osteolens.errors import StudyError, WeightsError
from osteolens.inference.devices import open_network
from osteolens.inference.network import OpenNetwork


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """Output of the classifier for one study.

    Attributes:
        probabilities: calibrated, by class, summing to one.
        t_score: estimate of the L1-L4 T-score.
        prediction_set: classes that hold the truth with the calibration's coverage.
        decision: whether osteoporosis is ruled in, ruled out or neither at the calibration's predictive values.
        feature_distances: of each view from the films of the training, as a multiple of the limit that
            `classify.calibration.FAMILIAR` of the calibration's patients keep; empty where the weights do not tell.
    """

    probabilities: dict[BmdClass, float]
    t_score: float
    prediction_set: tuple[BmdClass, ...]
    decision: Decision
    feature_distances: dict[View, float] = field(default_factory=dict)


class BmdClassifier:
    """A loaded classifier and the preprocessing it was trained with; one instance serves a whole folder."""

    def __init__(
        self,
        onnx: Path,
        spec: PreprocessSpec,
        calibration: Calibration = NO_CALIBRATION,
        load: OpenNetwork = open_network,
    ) -> None:
        """Load the network.

        Args:
            onnx: exported classifier.
            spec: preprocessing that it was trained with.
            calibration: fitted on validation studies.
            load: loads the network, on the CPU when left out.

        Raises:
            WeightsError: the file is no classifier.
        """
        self._network = load(onnx)
        outputs = list(self._network.outputs)
        if outputs not in (OUTPUTS, [*OUTPUTS, FEATURE_DISTANCE]):
            raise WeightsError(f"{onnx.name}: outputs {', '.join(outputs)}, expected {', '.join(OUTPUTS)}")
        self.views = tuple(view for view in View if branch_name(view) in self._network.inputs)
        self.spec = spec
        self._calibration = calibration

    def network_input(
        self,
        pixels: npt.NDArray[np.float32],
        detection: SpineDetection,
        levels: Sequence[VertebralLevel] = TARGET_LEVELS,
        mirrored: bool = False,
    ) -> npt.NDArray[np.float32]:
        """Crop and preprocess one view: float32 (crops, size, size).

        Args:
            pixels: (rows, columns) in [0, 1].
            detection: boxes of that image.
            levels: those of L1-L4 that are classified on.
            mirrored: whether the crops are mirrored, so that all radiographs face one way
                (`pipeline.screening.spines.DetectedSpine`).

        Raises:
            StudyError: one of these levels has no box.
        """
        places = roi_corners(pixels.shape, detection, self.spec, levels)
        plain = np.concatenate([normalise(preprocess_crop(pixels, self.spec, place), self.spec) for place in places])
        return np.ascontiguousarray(plain[..., ::-1]) if mirrored else plain

    def classify(self, inputs: Mapping[View, npt.NDArray[np.float32]], covariates: Covariates) -> Classified:
        """Classes and T-score from one or two views, and from the covariates that are known.

        Raises:
            StudyError: no view that these weights take.
        """
        if not set(inputs) & set(self.views):
            raise StudyError(f"no usable {' or '.join(self.views)} view; these weights take no other")
        feed = {
            **{branch_name(view): (inputs[view] if view in inputs else self._nothing(view))[None] for view in View},
            "present": np.array([[float(view in inputs) for view in View]], np.float32),
            "covariates": encode(covariates)[None],
        }
        feed = {name: value for name, value in feed.items() if name in self._network.inputs}
        probabilities, t_score, *distances = self._network.run(feed)
        calibrated = apply_temperature(probabilities.astype(np.float64), self._calibration.temperature)[0]
        by_class = {c: float(p) for c, p in zip(BMD_CLASSES, calibrated, strict=True)}
        return Classified(
            probabilities=by_class,
            t_score=self._calibration.t_score_slope * float(t_score[0]) + self._calibration.t_score_offset,
            prediction_set=prediction_set(calibrated, self._calibration),
            decision=rule_in_or_out(by_class[BmdClass.OSTEOPOROSIS], self._calibration),
            feature_distances=self._distances(distances[0][0], set(inputs)) if distances else {},
        )

    def _distances(self, told: npt.NDArray[np.float32], shown: Set[View]) -> dict[View, float]:
        """Distances (views,) that the network tells, of the views that it was shown, as multiples of their limits."""
        limits = self._calibration.distance_limits
        by_view = dict(zip(self.views, told, strict=True))
        return {view: float(by_view[view]) / limits[view] for view in self.views if view in shown and view in limits}

    def _nothing(self, view: View) -> npt.NDArray[np.float32]:
        """Crops of a view that is absent, as few as the network takes: they are computed and not used."""
        fixed = self._network.inputs.get(branch_name(view), (None, None))[1]
        return np.zeros((fixed or 1, self.spec.size_px, self.spec.size_px), np.float32)
