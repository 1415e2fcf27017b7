"""How batches are parted among processes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from osteolens.training.parallel.group import ALONE, Group


def test_parts_make_up_every_batch() -> None:
    order = np.random.default_rng(0).permutation(23)
    parts = [Group(rank, 3).part_of(order, 8) for rank in range(3)]
    assert [size for _, size in parts] == [3, 3, 2]
    for step in range(3):
        batch = np.concatenate([part[step * size : (step + 1) * size] for part, size in parts])
        assert sorted(batch) == sorted(order[8 * step : 8 * step + 8])


def test_a_last_batch_with_too_few_for_each_is_left_out() -> None:
    order = np.arange(9)
    assert len(ALONE.part_of(order, 4)[0]) == 9 and len(ALONE.part_of(order, 4, least=2)[0]) == 8
    assert [len(Group(rank, 2).part_of(order, 4)[0]) for rank in range(2)] == [4, 4]


def test_one_process_agrees_with_itself() -> None:
    assert ALONE.broadcast("a") == ALONE.after_the_first(lambda: "a") == "a"
