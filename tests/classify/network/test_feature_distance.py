"""Features unlike those of the training lie far from them, in the graph that is shipped too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

torch = pytest.importorskip("torch")

from classify.calibration import Calibration, distance_limit  # noqa: E402
from classify.classifier import BmdClassifier  # noqa: E402
from classify.config import NetworkSpec, PreprocessSpec  # noqa: E402
from classify.network.densenet import DualChannelDenseNet  # noqa: E402
from classify.network.export import export_classifier  # noqa: E402
from classify.network.feature_distance import AXES, fit_feature_distance  # noqa: E402
from cohort.covariates import Covariates  # noqa: E402
from cohort.spine import View  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]

CHANNELS = 60


def features_like_training(count: int, seed: int) -> npt.NDArray[np.float32]:
    """Rows of a low rank with noise, about a mean, of channels on very different scales."""
    scales = 10.0 ** np.linspace(-2, 2, CHANNELS)
    mixing = np.random.default_rng(7).normal(size=(5, CHANNELS))
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 5)) @ mixing + rng.normal(size=(count, CHANNELS)) + 3
    return (rows * scales).astype(np.float32)


def test_the_distance_is_that_of_mahalanobis_under_the_fitted_covariance() -> None:
    training, judged = features_like_training(500, 0), features_like_training(40, 1)
    fitted = fit_feature_distance([training, training])
    assert fitted.get_buffer("axes").shape == (2, AXES, CHANNELS)
    found = fitted(torch.from_numpy(np.stack((judged, judged), 1))).numpy()
    axes, along = fitted.get_buffer("axes")[0].double().numpy(), fitted.get_buffer("along")[0].double().numpy()
    across = float(fitted.get_buffer("across")[0])
    covariance = across * np.eye(CHANNELS) + (axes.T * (along - across)) @ axes
    shown = (judged - training.mean(0)) / training.std(0)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", shown, np.linalg.inv(covariance), shown) / CHANNELS)
    np.testing.assert_allclose(found, np.stack((expected, expected), 1), rtol=1e-3)
    assert 0.8 < np.median(found) < 1.2, "films of the training lie at about 1"


def test_a_channel_that_moves_out_of_its_range_is_far_whatever_its_scale() -> None:
    fitted = fit_feature_distance([features_like_training(500, 0)])
    plain = features_like_training(200, 2)
    usual = np.quantile(fitted(torch.from_numpy(plain[:, None])).numpy(), 0.975)
    for channel in (0, CHANNELS - 1):
        moved = plain.copy()
        moved[:, channel] += 15 * moved[:, channel].std()
        far = fitted(torch.from_numpy(moved[:, None])).numpy()
        assert (far > usual).mean() > 0.9


def test_fewer_films_than_axes_are_enough() -> None:
    fitted = fit_feature_distance([features_like_training(6, 0)])
    assert np.isfinite(fitted(torch.from_numpy(features_like_training(3, 1)[:, None])).numpy()).all()


def test_the_limit_is_kept_by_as_many_new_patients_as_it_promises() -> None:
    kept = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        films = rng.normal(size=(300, 1)) + 0.3 * rng.normal(size=(300, 2))
        limit = distance_limit(films[:150].reshape(-1), np.repeat(np.arange(150), 2))
        assert limit is not None
        kept.append((films[150:, 0] <= limit).mean())
    assert 0.97 < np.mean(kept) < 0.985
    assert distance_limit(np.ones(38), np.arange(38)) is None, "38 patients promise no 97.5 %"
    assert distance_limit(np.ones(39), np.arange(39)) == 1


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph that tells distances, from features at random."""
    torch.manual_seed(0)
    network = DualChannelDenseNet(NetworkSpec(crops=4, backbone="resnet18")).eval()
    spec, rng = PreprocessSpec(roi="vertebra", size_px=64), np.random.default_rng(0)
    with torch.inference_mode():
        shown = torch.from_numpy(rng.normal(size=(24, 4, 64, 64)).astype(np.float32))
        features = [network.pooled_view(view, shown).numpy() for view in View]
    out = tmp_path_factory.mktemp("exported")
    assert export_classifier(network, out, spec, 64, fit_feature_distance(features)) < 1e-3
    return out


def test_distances_are_told_as_multiples_of_the_limits_of_the_views_that_were_shown(exported: Path) -> None:
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    limits = Calibration(distance_limits={View.AP: 1.0, View.LATERAL: 2.0})
    shown = np.random.default_rng(1).normal(size=(4, 64, 64)).astype(np.float32)
    classifier = BmdClassifier(exported / "classifier.onnx", spec, limits)
    both = classifier.classify({View.AP: shown, View.LATERAL: shown}, Covariates()).feature_distances
    assert list(both) == list(View)
    one = classifier.classify({View.LATERAL: shown}, Covariates()).feature_distances
    assert list(one) == [View.LATERAL] and one[View.LATERAL] == pytest.approx(both[View.LATERAL], rel=1e-4)
    halved = BmdClassifier(exported / "classifier.onnx", spec, Calibration(distance_limits={View.AP: 0.5}))
    assert halved.classify({View.AP: shown}, Covariates()).feature_distances[View.AP] == pytest.approx(
        2 * both[View.AP]
    )
    assert halved.classify({View.LATERAL: shown}, Covariates()).feature_distances == {}, "no limit, no word"
    flat = np.zeros_like(shown)
    far = classifier.classify({View.AP: flat, View.LATERAL: flat}, Covariates()).feature_distances
    assert all(far[view] > 2 * both[view] for view in View)
