"""The network: missing views, grey borders, export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests import WEIGHTS

torch = pytest.importorskip("torch")

from captum.attr import LayerGradCam  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

from classify.classifier import BmdClassifier  # noqa: E402
from classify.config import Backbone, NetworkSpec, PreprocessSpec  # noqa: E402
from classify.inputs import FUSIONS  # noqa: E402
from classify.network.checkpoint import load_network, save_network, with_fusions  # noqa: E402
from classify.network.densenet import (  # noqa: E402
    FIELDS,
    SCALES,
    DualChannelDenseNet,
    ProbabilityExport,
    _mean_of_fields,
    ordinal_logits,
)
from classify.network.export import export_classifier  # noqa: E402
from classify.training.config import ClassifierTraining  # noqa: E402
from cohort.covariates import Covariates  # noqa: E402
from cohort.spine import TARGET_LEVELS, SpineDetection, VertebraBox, View  # noqa: E402
from osteolens.config import load_config  # noqa: E402
from osteolens.errors import ConfigError, StudyError, WeightsError  # noqa: E402
from pipeline.bundle.manifest import CLASSIFIER_PARTS  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

POOLED = sum(channels * fields**2 for channels, fields in zip(SCALES["densenet121"], FIELDS, strict=True))

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def network() -> DualChannelDenseNet:
    torch.manual_seed(0)
    return DualChannelDenseNet().eval()


def first(network: DualChannelDenseNet) -> Tensor:
    return network.get_parameter("ap.features.conv0.weight")


def fusion_inputs(network: DualChannelDenseNet) -> int:
    return network.get_parameter("fuse.both.1.weight").shape[1]


def logits(network: DualChannelDenseNet, ap: object, lateral: object, present: list[float]) -> object:
    with torch.inference_mode():
        return network(ap, lateral, torch.tensor([present]), torch.zeros(1, 6))[0]


def test_an_absent_view_has_no_influence(network: DualChannelDenseNet) -> None:
    image, other, noise = torch.rand(1, 1, 64, 64), torch.rand(1, 1, 64, 64), torch.rand(1, 1, 64, 64)
    assert torch.equal(logits(network, image, other, [1, 0]), logits(network, image, noise, [1, 0]))
    assert torch.equal(logits(network, other, image, [0, 1]), logits(network, noise, image, [0, 1]))
    assert not torch.equal(logits(network, image, other, [1, 1]), logits(network, image, noise, [1, 1]))


def test_each_set_of_views_has_a_fusion_of_its_own(network: DualChannelDenseNet) -> None:
    image, present = torch.rand(3, 1, 64, 64), torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    known = torch.rand(3, 6)
    with torch.inference_mode():
        found = network(image, image, present, known)[0]
        pooled = network.pooled(image, image)
        for row, name in enumerate(("both", "ap", "lateral")):
            torch.testing.assert_close(found[row], network.fused_as(pooled, known, name)[0][row])
    assert set(network.fuse) == {"both", "ap", "lateral"}
    assert set(DualChannelDenseNet(NetworkSpec(views=(View.AP,))).fuse) == {"ap"}


@pytest.mark.parametrize("views", [(View.AP, View.LATERAL), (View.LATERAL,)])
def test_a_fusion_of_the_earlier_layout_gives_what_it_gave(views: tuple[View, ...]) -> None:
    torch.manual_seed(1)
    network = DualChannelDenseNet(NetworkSpec(views=views)).eval()
    features, rows = POOLED, len(views)
    weight, bias = torch.randn(128, (features + 1) * rows + 32) * 0.01, torch.randn(128)
    state = {name: value for name, value in network.state_dict().items() if not name.startswith("fuse.")}
    network.load_state_dict(with_fusions({**state, "fuse.1.weight": weight, "fuse.1.bias": bias}))
    pooled, known = torch.randn(1, rows, features), torch.randn(1, 6)
    for name in network.fuse:
        seen = torch.tensor([float(view in FUSIONS[name]) for view in views])
        normed = [norm(pooled[:, k]) * seen[k] for k, norm in enumerate(network.norms.values())]
        assert network.covariates is not None
        joined = torch.relu(torch.cat([*normed, seen[None], network.covariates(known)], 1) @ weight.T + bias)
        for found, expected in zip(network.fused_as(pooled, known, name), network._outputs(joined), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_a_network_without_covariates_begins_as_one_for_which_all_are_unknown(
    network: DualChannelDenseNet, tmp_path: Path
) -> None:
    save_network(network, tmp_path / "w.safetensors")
    other = DualChannelDenseNet(NetworkSpec(covariates=False)).eval()
    load_network(other, tmp_path / "w.safetensors", only_fitting=True)
    image = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(
        logits(other, image, image, [1, 1]), logits(network, image, image, [1, 1]), atol=0.02, rtol=0.02
    )


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
    expected = torch.softmax(logits(network, small, small, [1, 1]), 1)
    torch.testing.assert_close(shipped, expected)
    assert shipped.sum().item() == pytest.approx(1, abs=1e-5)
    assert t_score.shape == (1,)


def test_classes_follow_the_t_score() -> None:
    scores = torch.tensor([[0.5, -0.5], [-1.75, -0.5], [-4.0, -0.5]])
    shares = ordinal_logits(scores).exp()
    torch.testing.assert_close(shares.sum(1), torch.ones(3), atol=1e-5, rtol=0)
    assert shares.argmax(1).tolist() == [0, 1, 2]
    narrow = torch.tensor([[19.0, -1.0], [-19.0, -1.0], [30.0, 0.0]], requires_grad=True)
    sure = ordinal_logits(narrow)
    assert sure.isfinite().all() and sure[0, 2] < -50 and sure[1, 0] < -40
    wrong = torch.stack((sure[0, 2], sure[1, 0], sure[2, 1])).sum()
    wrong.backward()
    assert narrow.grad is not None and float(narrow.grad[:, 0].abs().min()) > 0.9, "the surest mistake teaches"
    certain, unsure = (ordinal_logits(torch.tensor([[-3.0, s]])).exp()[0, 2] for s in (-2.0, 1.0))
    assert certain > 0.95 > 0.7 > unsure


def test_an_untrained_correction_leaves_the_order_of_the_t_score(network: DualChannelDenseNet) -> None:
    images = torch.rand(8, 1, 64, 64)
    with torch.inference_mode():
        found, t_score = network(images, images, torch.ones(8, 2), torch.randn(8, 6))
    torch.testing.assert_close(found, ordinal_logits(t_score))


def test_a_network_of_one_view_without_covariates_exports_and_classifies(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(size_px=64)
    network = DualChannelDenseNet(NetworkSpec(views=(View.LATERAL,), covariates=False)).eval()
    assert network.ap is None and network.covariates is None
    assert export_classifier(network, tmp_path, spec, 64) < 1e-4
    assert not (tmp_path / "classifier_ap.safetensors").exists()
    classifier = BmdClassifier(tmp_path / "classifier.onnx", spec)
    assert classifier.views == (View.LATERAL,)
    image = np.random.default_rng(0).normal(0, 1, (1, 64, 64)).astype(np.float32)
    alone = classifier.classify({View.LATERAL: image}, Covariates())
    with_more = classifier.classify({View.AP: image, View.LATERAL: image}, Covariates(age_years=80))
    assert alone == with_more
    with pytest.raises(StudyError, match="no usable LATERAL view"):
        classifier.classify({View.AP: image}, Covariates())


def test_four_crops_a_view_are_pooled_by_attention(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    network = DualChannelDenseNet(NetworkSpec(crops=spec.crops)).eval()
    crops = torch.rand(2, 4, 64, 64)
    with torch.inference_mode():
        found, _ = network(crops, crops, torch.ones(2, 2), torch.zeros(2, 6))
        turned, _ = network(crops.flip(1), crops, torch.ones(2, 2), torch.zeros(2, 6))
        other, _ = network(crops + 0.3, crops, torch.ones(2, 2), torch.zeros(2, 6))
    torch.testing.assert_close(found, turned, msg="the order of the bodies does not matter")
    assert not torch.allclose(found, other)
    assert export_classifier(network, tmp_path, spec, 32) < 1e-4
    classifier = BmdClassifier(tmp_path / "classifier.onnx", spec)
    pixels = np.random.default_rng(0).random((300, 100)).astype(np.float32)
    boxes = tuple(VertebraBox(level, 20, 20 + 60 * k, 80, 80 + 60 * k) for k, level in enumerate(TARGET_LEVELS))
    shown = classifier.network_input(pixels, SpineDetection(View.AP, boxes, pixels.shape))
    assert shown.shape == (4, 64, 64)
    lateral = SpineDetection(View.LATERAL, boxes, pixels.shape)
    two = classifier.network_input(pixels, lateral, TARGET_LEVELS[:2])
    turned = classifier.network_input(pixels, lateral, TARGET_LEVELS[:2], mirrored=True)
    np.testing.assert_array_equal(turned, two[..., ::-1])
    both = classifier.classify({View.AP: shown, View.LATERAL: two}, Covariates())
    assert sum(both.probabilities.values()) == pytest.approx(1, abs=1e-4), "any number of bodies is taken"
    assert sum(classifier.classify({View.AP: shown}, Covariates()).probabilities.values()) == pytest.approx(1, abs=1e-4)


def test_only_fitting_tensors_start_another_network(network: DualChannelDenseNet, tmp_path: Path) -> None:
    save_network(network, tmp_path / "w.safetensors")
    other = DualChannelDenseNet(NetworkSpec(views=(View.AP,), covariates=False))
    with pytest.raises(WeightsError, match="unknown"):
        load_network(other, tmp_path / "w.safetensors")
    load_network(other, tmp_path / "w.safetensors", only_fitting=True)
    torch.testing.assert_close(first(other), first(network), atol=1e-2, rtol=1e-2)
    load_network(other, WEIGHTS, only_fitting=True)
    shipped = load_file(WEIGHTS / "classifier_ap.safetensors")
    torch.testing.assert_close(first(other), shipped["ap.features.conv0.weight"].float())
    with pytest.raises(WeightsError, match="no weights; expected best"):
        load_network(other, tmp_path / "nowhere", only_fitting=True)


def test_the_last_map_alone_can_be_pooled(tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = DualChannelDenseNet(NetworkSpec(pooled="last")).eval()
    every = DualChannelDenseNet(NetworkSpec()).eval()
    assert not list(plain.norms.parameters()) and set(every.norms) == {"ap", "lateral"}
    assert fusion_inputs(every) - fusion_inputs(plain) == 2 * (16 * (64 + 256) + 512 + 1024)
    save_network(every, tmp_path / "every.safetensors")
    load_network(plain, tmp_path / "every.safetensors", only_fitting=True)
    torch.testing.assert_close(first(plain).half(), first(every).half())


def test_fine_maps_keep_the_place_of_what_they_show() -> None:
    maps = torch.zeros(1, 2, 10, 9)
    maps[0, 1, 4:6, 6:8] = 3.0
    means = _mean_of_fields(maps, 4).reshape(2, 4, 4)
    assert means[1, 2, 3] == 3 and means.sum() == 3
    torch.testing.assert_close(_mean_of_fields(maps, 1), maps.mean((2, 3)))


def test_an_absent_view_counts_for_nothing() -> None:
    torch.manual_seed(0)
    network = DualChannelDenseNet(NetworkSpec()).eval()
    ap, other = torch.rand(2, 1, 64, 64), torch.rand(2, 1, 64, 64)
    with torch.inference_mode():
        found = network(ap, ap, torch.tensor([[1.0, 0.0]] * 2), torch.zeros(2, 6))[0]
        again = network(ap, other, torch.tensor([[1.0, 0.0]] * 2), torch.zeros(2, 6))[0]
    torch.testing.assert_close(found, again)


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenet_v2"])
def test_other_backbones_export_load_and_show_where_they_look(tmp_path: Path, backbone: Backbone) -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    network = DualChannelDenseNet(NetworkSpec(backbone=backbone, crops=4)).eval()
    assert export_classifier(network, tmp_path, spec, 64) < 1e-3
    found = BmdClassifier(tmp_path / "classifier.onnx", spec)
    image = np.random.default_rng(0).normal(0, 1, (4, 64, 64)).astype(np.float32)
    assert sum(found.classify({View.AP: image, View.LATERAL: image}, Covariates()).probabilities.values()) > 0.999
    again = DualChannelDenseNet(network.spec)
    load_network(again, tmp_path)
    assert torch.equal(again.classes.weight, network.classes.weight.half().float())
    with pytest.raises(WeightsError, match=r"tensors missing, \d+ unknown, such as ap\."):
        load_network(DualChannelDenseNet(NetworkSpec(crops=4)), tmp_path)
    images, last = torch.from_numpy(image[None]), network.get_submodule("last_maps.lateral")
    seen = (images, images, torch.ones(1, 2), torch.zeros(1, 6))
    heat = LayerGradCam(lambda *inputs: network(*inputs)[0], last).attribute(seen, target=2)
    assert heat.shape == (4, 1, 2, 2) and float(heat.abs().sum().detach()) > 0


def test_scales_are_those_of_the_backbones() -> None:
    for backbone, scales in SCALES.items():
        if backbone.startswith(("resnet18", "mobilenet", "efficientnet")):
            branch = DualChannelDenseNet(NetworkSpec(views=(View.AP,), backbone=backbone)).ap
            assert branch is not None and tuple(branch.out_channels[1:]) == scales  # type: ignore[index]


def test_a_backbone_that_is_not_offered_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"setting 'backbone' is 'resnext50_32x4d', expected .*densenet121"):
        load_config(ClassifierTraining, None, ["backbone=resnext50_32x4d"])
