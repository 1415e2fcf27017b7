"""The head is refitted on features of finished branches, which are cached."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from classify.config import NetworkSpec, PreprocessSpec  # noqa: E402
from classify.network.densenet import FIELDS, SCALES, DualChannelDenseNet  # noqa: E402
from classify.training.batches import BatchPlan, batches  # noqa: E402
from classify.training.config import ClassifierTraining, network_spec  # noqa: E402
from classify.training.head.features import pooled_features  # noqa: E402
from classify.training.head.fit import HeadPlan, fit_head  # noqa: E402
from classify.training.head.side import Side  # noqa: E402
from cohort.spine import View  # noqa: E402
from tests.classify.training.of_examples import example_crops, part_of  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

    from classify.training.loss import Outputs, Targets

pytestmark = [pytest.mark.slow, pytest.mark.train, pytest.mark.filterwarnings("ignore")]


def classes_alone(outputs: Outputs, targets: Targets) -> Tensor:
    loss: Tensor = torch.nn.functional.cross_entropy(outputs[0], targets.labels)
    return loss


def head_plan(config: ClassifierTraining, weight_decay: float) -> HeadPlan:
    return HeadPlan(config=config, loss=classes_alone, device="cpu", seed=0, weight_decay=weight_decay)


def test_a_strong_decay_leads_to_zero_or_back_to_the_start(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    crops = example_crops(spec, tmp_path, variants=1)
    plain = ClassifierTraining(pooled="all", head_epochs=60, head_batch=6, head_lr=1e-4)
    start = DualChannelDenseNet(network_spec(plain, spec))
    features = pooled_features(start, crops, 64, spec, "cpu")
    first = start.get_parameter("fuse.both.1.weight").detach()
    far = {}
    for l2_sp in (False, True):
        network = copy.deepcopy(start)
        config = plain.model_copy(update={"l2_sp": l2_sp})
        fit_head(network, Side(crops, features), head_plan(config, 2000.0))
        far[l2_sp] = float((network.get_parameter("fuse.both.1.weight") - first).norm() / first.norm())
    assert far[True] < 0.2 and 0.8 < far[False] < 1.2


def test_the_head_alone_is_fitted_on_features_of_fixed_branches(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = PreprocessSpec(roi="vertebra", size_px=64)
    crops = example_crops(spec, tmp_path, variants=2)
    config = ClassifierTraining(pooled="all", head_epochs=60, head_batch=6, head_lr=0.01, drop_view=0, drop_covariate=0)
    network = DualChannelDenseNet(network_spec(config, spec))
    features = pooled_features(network, crops, 64, spec, "cpu")
    channels = sum(channels * fields**2 for channels, fields in zip(SCALES["densenet121"], FIELDS, strict=True))
    assert [own.shape for own in features] == [(6, 2, channels)] * 2
    kept = sorted(tmp_path.glob("features-*.npy"))
    one = DualChannelDenseNet(NetworkSpec(views=(View.LATERAL,), crops=4))
    for part in ("lateral", "attention"):
        getattr(one, part).load_state_dict(getattr(network, part).state_dict())
    alone = pooled_features(one, crops.of_views((View.LATERAL,)), 64, spec, "cpu")
    np.testing.assert_array_equal(alone[0], features[1], "the same branch, read back")
    assert sorted(tmp_path.glob("features-*.npy")) == kept and len(kept) == 2
    before = {name: value.clone() for name, value in network.state_dict().items()}
    once = config.model_copy(update={"head_epochs": 1})
    first = fit_head(network, Side(crops, features), head_plan(once, 0.1))
    last = fit_head(network, Side(crops, features), head_plan(config, 0.1))
    assert last < 0.5 * first
    changed = {part_of(name) for name, value in network.state_dict().items() if not value.equal(before[name])}
    assert changed == {"norms", "covariates", "fuse.both", "classes", "t_score"}
    with torch.inference_mode():
        batch = next(batches(crops, BatchPlan(side=64, size=6, spec=spec)))
        whole = network(*batch.inputs)[0]
        parts = network.fused(
            torch.from_numpy(np.stack([own[:, 0] for own in features], 1)), batch.present, batch.covariates
        )[0]
    assert (whole.softmax(1) - parts.softmax(1)).abs().max() < 0.05, "bfloat16 branches, the same head"
