"""The network: missing views, grey borders, export."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from classify.config import PreprocessSpec  # noqa: E402
from classify.export import export_classifier, load_network, save_network  # noqa: E402
from classify.model import DualChannelDenseNet, ProbabilityExport, ordinal_logits  # noqa: E402
from pipeline.weights import CLASSIFIER_PARTS  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def network() -> DualChannelDenseNet:
    torch.manual_seed(0)
    return DualChannelDenseNet().eval()


def logits(network: DualChannelDenseNet, ap: object, lateral: object, present: list[float]) -> object:
    with torch.inference_mode():
        return network(ap, lateral, torch.tensor([present]), torch.zeros(1, 6))[0]


def test_an_absent_view_has_no_influence(network: DualChannelDenseNet) -> None:
    image, other, noise = torch.rand(1, 1, 64, 64), torch.rand(1, 1, 64, 64), torch.rand(1, 1, 64, 64)
    assert torch.equal(logits(network, image, other, [1, 0]), logits(network, image, noise, [1, 0]))
    assert torch.equal(logits(network, other, image, [0, 1]), logits(network, noise, image, [0, 1]))
    assert not torch.equal(logits(network, image, other, [1, 1]), logits(network, image, noise, [1, 1]))


def test_the_grey_border_has_no_influence(network: DualChannelDenseNet) -> None:
    image = torch.rand(1, 1, 64, 64)
    changed = image.clone()
    changed[..., :12] = 9.0
    changed[..., -12:] = -9.0
    assert torch.equal(logits(network, image, image, [1, 1]), logits(network, changed, image, [1, 1]))


def test_covariates_have_influence(network: DualChannelDenseNet) -> None:
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        first, second = (network(image, image, torch.ones(1, 2), torch.full((1, 6), v))[0] for v in (0.0, 1.0))
    assert not torch.equal(first, second)


def test_weights_survive_the_round_trip_in_half_precision(network: DualChannelDenseNet, tmp_path: Path) -> None:
    save_network(network, tmp_path / "w.safetensors")
    other = DualChannelDenseNet().eval()
    load_network(other, tmp_path / "w.safetensors")
    image = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(
        logits(other, image, image, [1, 1]), logits(network, image, image, [1, 1]), atol=0.02, rtol=0.02
    )


def test_the_export_agrees_with_torch_and_stores_weights_once(network: DualChannelDenseNet, tmp_path: Path) -> None:
    assert export_classifier(network, tmp_path, PreprocessSpec(size_px=128), 64) < 1e-4
    assert (tmp_path / "classifier.onnx").stat().st_size < 1_500_000
    sizes = {path.name: path.stat().st_size for path in tmp_path.glob("*.safetensors")}
    assert set(sizes) == set(CLASSIFIER_PARTS)
    assert sum(sizes.values()) > 25_000_000 and max(sizes.values()) < 20_000_000


def test_the_export_averages_down_to_the_working_side(network: DualChannelDenseNet) -> None:
    image = torch.rand(1, 1, 128, 128)
    small = torch.nn.functional.avg_pool2d(image, 2)
    with torch.inference_mode():
        shipped, t_score = ProbabilityExport(network, 2)(image, image, torch.ones(1, 2), torch.zeros(1, 6))
    expected = torch.softmax(logits(network, small, small, [1, 1]), 1)  # type: ignore[arg-type]
    torch.testing.assert_close(shipped, expected)
    assert shipped.sum().item() == pytest.approx(1, abs=1e-5)
    assert t_score.shape == (1,)


def test_classes_follow_the_t_score() -> None:
    scores = torch.tensor([[0.5, -0.5], [-1.75, -0.5], [-4.0, -0.5]])
    shares = ordinal_logits(scores).exp()
    torch.testing.assert_close(shares.sum(1), torch.ones(3), atol=1e-5, rtol=0)
    assert shares.argmax(1).tolist() == [0, 1, 2]
    certain, unsure = (ordinal_logits(torch.tensor([[-3.0, s]])).exp()[0, 2] for s in (-2.0, 1.0))
    assert certain > 0.95 > 0.7 > unsure


def test_an_untrained_correction_leaves_the_order_of_the_t_score(network: DualChannelDenseNet) -> None:
    images = torch.rand(8, 1, 64, 64)
    with torch.inference_mode():
        found, t_score = network(images, images, torch.ones(8, 2), torch.randn(8, 6))
    torch.testing.assert_close(found, ordinal_logits(t_score))
