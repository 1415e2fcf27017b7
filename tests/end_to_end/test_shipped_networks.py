"""The shipped ONNX files say what the networks they were trained as say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest

from tests import ROOT, WEIGHTS

torch = pytest.importorskip("torch")

from classify.classifier import BmdClassifier  # noqa: E402
from cohort.covariates import Covariates  # noqa: E402
from cohort.io.folder import index_cohort  # noqa: E402
from cohort.io.radiograph import read_radiograph  # noqa: E402
from cohort.spine import View  # noqa: E402
from detect.preprocess import detector_input  # noqa: E402
from pipeline.bundle.load import Bundle  # noqa: E402
from pipeline.screening.screener import Screener  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _films() -> list[npt.NDArray[np.float32]]:
    studies = index_cohort(ROOT / "examples").studies
    return [read_radiograph(path).pixels for study in studies for _, path in study.images]


def test_boxes_of_the_shipped_detector_agree_with_torch() -> None:
    from safetensors.torch import load_file
    from ultralytics.nn.tasks import DetectionModel

    entry = json.loads((WEIGHTS / "manifest.json").read_text("utf-8"))["models"]["detector"]
    network = DetectionModel(f"{entry['architecture']}.yaml", nc=len(entry["classes"]), verbose=False).eval()
    network.load_state_dict({k: v.float() for k, v in load_file(WEIGHTS / "detector.safetensors").items()})
    session = _session(WEIGHTS / "detector.onnx")
    for pixels in _films():
        image, _ = detector_input(pixels, entry["input_px"])
        blob = np.repeat(image[None, None].astype(np.float32) / 255, 3, axis=1)
        (found,) = session.run(None, {"images": blob})
        with torch.inference_mode():
            expected = network(torch.from_numpy(blob))[0].numpy()
        assert (found[0, 4:].sum(0) > 0.25).sum() > 8, "bodies are seen"
        np.testing.assert_allclose(found[0, :4], expected[0, :4], atol=0.5)
        np.testing.assert_allclose(found[0, 4:], expected[0, 4:], atol=1e-3)


def test_probabilities_of_the_shipped_classifier_agree_with_torch(bundle: Bundle) -> None:
    from classify.network.checkpoint import load_network
    from classify.network.densenet import DualChannelDenseNet, ProbabilityExport

    network = DualChannelDenseNet(bundle.network).eval()
    load_network(network, WEIGHTS)
    size, crops = bundle.preprocess.size_px, bundle.preprocess.crops
    model = ProbabilityExport(network, size // bundle.working_px).eval()
    rng = np.random.default_rng(0)
    inputs = {name: rng.normal(0, 1, (2, crops, size, size)).astype(np.float32) for name in ("ap", "lateral")}
    inputs["present"] = np.array([[1, 1], [0, 1]], np.float32)
    inputs["covariates"] = rng.normal(0, 1, (2, 6)).astype(np.float32)
    found = _session(WEIGHTS / "classifier.onnx").run(None, inputs)
    with torch.inference_mode():
        expected = model(*(torch.from_numpy(value) for value in inputs.values()))
    np.testing.assert_allclose(found[0], expected[0].numpy(), atol=1e-3)
    np.testing.assert_allclose(found[1], expected[1].numpy(), atol=5e-3)


def test_the_shipped_classifier_tells_noise_and_grey_from_films(bundle: Bundle) -> None:
    classifier = BmdClassifier(bundle.classifier, bundle.preprocess, bundle.calibration)
    shape = (bundle.preprocess.crops, bundle.preprocess.size_px, bundle.preprocess.size_px)
    noise = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    for shown in (noise, np.zeros_like(noise)):
        distances = classifier.classify({View.AP: shown, View.LATERAL: shown}, Covariates()).feature_distances
        assert list(distances) == list(View) and min(distances.values()) > 1.2, distances
    films = index_cohort(ROOT / "examples").studies
    screener = Screener(bundle)
    told = [screener.screen(study).feature_distances for study in films[:2]]
    assert all(set(distances) == set(View) and max(distances.values()) < 1.2 for distances in told), told
