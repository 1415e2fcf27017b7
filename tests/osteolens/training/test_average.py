"""The averaged network follows the length of the run."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

import torch
from torch.optim.swa_utils import AveragedModel

from osteolens.training.average import average_decay, averaged, blended, one_cycle

pytestmark = pytest.mark.train


@pytest.mark.parametrize("steps", [1, 10, 100, 10_000])
def test_little_of_the_start_is_left_at_the_end(steps: int) -> None:
    """A fixed decay of 0.99 left 42 % of the judged network to the first step of a small cohort."""
    left = 1.0
    for step in range(steps):
        left *= average_decay(step, steps)
    assert left <= 0.1
    assert average_decay(steps, steps) <= 1 - 1 / max(2.0, 0.1 * steps)


def test_rates_follow_one_cycle() -> None:
    rates = [one_cycle(k / 100) for k in range(101)]
    assert max(rates) == rates[10] == pytest.approx(1) and rates[0] < 0.05 and rates[100] == pytest.approx(0)
    assert one_cycle(0, 0.002) == rates[0] and one_cycle(1, 0.002) == pytest.approx(0.002)


def layer_of(average: AveragedModel) -> torch.Tensor:
    (weight,) = average.module.parameters()
    return weight.detach()


def test_the_average_moves_from_the_start() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(layer.weight)
    copy = averaged(layer, 100)
    torch.nn.init.ones_(layer.weight)
    copy.update_parameters(layer)
    assert float(layer_of(copy)) == pytest.approx(1 - average_decay(1, 100))


def test_a_blend_lies_between_end_and_start() -> None:
    """Batch norm counts its batches in a whole number, which has no middle."""
    ended = {"weight": torch.tensor([0.0, 4.0]), "batches": torch.tensor(7)}
    start = {"weight": torch.tensor([2.0, 0.0]), "batches": torch.tensor(3)}
    shown = blended(ended, start, 0.25)
    assert shown["weight"].tolist() == [0.5, 3.0] and int(shown["batches"]) == 7
    shown["batches"] += 1
    assert int(ended["batches"]) == 7, "a blend is apart from what it is made from"
