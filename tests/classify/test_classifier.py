"""What the classifier feeds its network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from classify.classifier import BmdClassifier
from cohort.covariates import Covariates
from cohort.spine import View
from osteolens.inference.devices import open_network
from osteolens.inference.network import Network, Shape, Tensor
from pipeline.bundle.load import Bundle


class Recorded:
    """A network that keeps what it was fed, and may demand a number of crops."""

    def __init__(self, network: Network, crops: int | None) -> None:
        self._network = network
        fixed = {name: (None, crops, *shape[2:]) for name, shape in network.inputs.items() if len(shape) == 4}
        self.inputs: Mapping[str, Shape] = {**network.inputs, **fixed}
        self.outputs = network.outputs
        self.feeds: list[dict[str, Tensor]] = []

    def run(self, feed: Mapping[str, Tensor]) -> list[Tensor]:
        self.feeds.append(dict(feed))
        return self._network.run(feed)


@pytest.mark.parametrize("present", list(View))
def test_a_view_that_is_absent_costs_one_crop_and_changes_nothing(bundle: Bundle, present: View) -> None:
    results = []
    for crops, expected in ((None, 1), (4, 4)):
        recorded: list[Recorded] = []

        def load(onnx: Path, crops: int | None = crops, kept: list[Recorded] = recorded) -> Network:
            kept.append(Recorded(open_network(onnx), crops))
            return kept[-1]

        classifier = BmdClassifier(bundle.classifier, bundle.preprocess, bundle.calibration, load)
        size = bundle.preprocess.size_px
        shown = np.random.default_rng(0).standard_normal((4, size, size)).astype(np.float32)
        results.append(classifier.classify({present: shown}, Covariates(age_years=70.0)))
        (feed,) = recorded[0].feeds
        counts = {name: value.shape[1] for name, value in feed.items() if value.ndim == 4}
        assert sorted(counts.values()) == sorted((expected, 4))
    assert results[0] == results[1]
