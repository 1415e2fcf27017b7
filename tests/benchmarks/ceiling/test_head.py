"""The head of the ceiling."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.ceiling.head import DETAIL_FIELDS, DETAIL_PX, FIELDS, fitted, statistics_of


def test_statistics_have_a_value_for_each_field_and_band_of_each_view() -> None:
    crops = np.random.default_rng(0).normal(size=(3, 2, 4, 48, 48))
    found = statistics_of(crops)
    assert found.shape == (3, 2 * (FIELDS**2 + len(DETAIL_PX) * DETAIL_FIELDS**2 + 1))
    assert np.allclose(statistics_of(crops[:, :, ::-1]), found)  # the order of the levels does not count


def test_brightness_moves_the_means_alone_and_contrast_the_energies_too() -> None:
    crops = np.random.default_rng(0).normal(size=(1, 1, 4, 48, 48))
    plain, brighter, harder = (statistics_of(c)[0] for c in (crops, crops + 2, crops * 3))
    assert brighter[: FIELDS**2] == pytest.approx(plain[: FIELDS**2] + 2, abs=1e-5)
    assert brighter[FIELDS**2 :] == pytest.approx(plain[FIELDS**2 :], abs=1e-3)
    assert harder[FIELDS**2 :] == pytest.approx(plain[FIELDS**2 :] + np.log(3), abs=2e-2)


def test_a_bent_relation_is_learned() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 5))
    truth = -2 + features[:, 0] - 0.5 * features[:, 1] ** 2
    predict = fitted(features[:200], truth[:200])
    assert np.corrcoef(predict(features[200:]), truth[200:])[0, 1] > 0.9
