"""Attenuation, spectra, scatter and noise against analytic and published values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from osteolens.errors import ConfigError
from phantom.xray.physics import Acquisition, beam_table, detect_signal, gaussian_blur, transmission, wide_blur


@pytest.mark.parametrize(
    ("material", "kev", "expected"),
    [
        ("hydroxyapatite", 30, 2.0991),
        ("hydroxyapatite", 50, 0.5866),
        ("hydroxyapatite", 70, 0.3131),
        ("muscle", 50, 0.2376 / 1.05),
        ("adipose", 50, 0.2017 / 0.95),
    ],
)
def test_attenuation_agrees_with_reference_coefficients(material: str, kev: float, expected: float) -> None:
    from importlib.resources import files

    table = pd.read_csv(str(files("phantom.xray") / "physics.csv"))
    logs = np.log(table[f"{material}_cm2_g"])
    assert np.exp(np.interp(kev, table["energy_kev"], logs)) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("kvp", "mean_kev"), [(70, 39.5), (75, 41.2), (80, 43.0), (90, 46.2)])
def test_spectra_have_their_mean_energy(kvp: int, mean_kev: float) -> None:
    from importlib.resources import files

    table = pd.read_csv(str(files("phantom.xray") / "physics.csv"))
    mean = float((table["energy_kev"] * table[f"fluence_{kvp}"]).sum())
    assert mean == pytest.approx(mean_kev, rel=0.05)


def test_transmission_falls_with_thickness_and_hardens() -> None:
    beam = beam_table(70)
    water = torch.tensor([[0.0, 10.0, 20.0]])
    shown = transmission(water, 0 * water, 0 * water, beam)[0]
    assert float(shown[0]) == pytest.approx(1.0, abs=1e-4)
    first, second = -torch.log(shown[1]), -torch.log(shown[2] / shown[1])
    assert 1.8 < float(first) < 4 and float(second) < float(first)


def test_an_unknown_voltage_is_refused() -> None:
    with pytest.raises(ConfigError, match="61 kVp has no spectrum"):
        beam_table(61)


def test_blurs_keep_the_mean() -> None:
    image = torch.rand(120, 90, generator=torch.Generator().manual_seed(0))
    for blurred in (gaussian_blur(image, 2.0), wide_blur(image, 20.0)):
        assert blurred.shape == image.shape
        assert float(blurred.mean()) == pytest.approx(float(image.mean()), abs=0.02)
        assert float(blurred.std()) < float(image.std())


def test_more_quanta_mean_less_noise_and_scatter_raises_the_signal() -> None:
    flat = torch.full((80, 80), 0.01)
    thick = torch.full((80, 80), 20.0)

    def signal(ratio: float, quanta: float) -> torch.Tensor:
        acquisition = Acquisition(scatter_to_primary=ratio, quanta=quanta, blur_px=0.0, spacing_mm=0.6)
        return detect_signal(flat, thick, acquisition, torch.Generator().manual_seed(0))

    assert float(signal(0.5, 10000).std()) < 0.4 * float(signal(0.5, 500).std())
    assert float(signal(1.0, 1e6).mean()) == pytest.approx(2 * float(signal(0.0, 1e6).mean()), rel=0.02)
