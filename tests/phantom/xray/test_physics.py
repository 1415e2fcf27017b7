"""Projection and attenuation against analytic and published values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from cohort.spine import View  # noqa: E402
from osteolens.errors import ConfigError  # noqa: E402
from phantom.geometry import Geometry, Volume  # noqa: E402
from phantom.xray.physics import beam_table, detect_signal, gaussian_blur, transmission, wide_blur  # noqa: E402
from phantom.xray.projection import project  # noqa: E402


def geometry(view: View = View.AP, pixels: int = 81, pitch: float = 2.0) -> Geometry:
    line = (torch.arange(pixels) - (pixels - 1) / 2) * pitch
    return Geometry(view=view, source_mm=-1000.0, distance_mm=1150.0, centre_mm=(0.0, 0.0), u_mm=line, v_mm=-line)


def sphere(radius: float, density: float, step: float = 2.0, centre: tuple[float, float, float] = (0, 0, 0)) -> Volume:
    line = torch.arange(-60, 60 + step, step)
    x, y, z = torch.meshgrid(line, line, line, indexing="ij")
    distance = torch.sqrt((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2)
    return Volume(density * (0.5 - (distance - radius) / step).clamp(0, 1), (-60.0, -60.0, -60.0), step)


@pytest.mark.parametrize("view", list(View))
def test_a_sphere_projects_to_its_chord(view: View) -> None:
    shown = project(sphere(40, 1.5), geometry(view))
    assert float(shown[40, 40]) == pytest.approx(1.5 * 8.0, rel=0.01)
    u = 20.0
    distance_from_axis = u * 1000 / np.hypot(1150, u)
    chord = 2 * np.sqrt(40**2 - distance_from_axis**2) / 10
    assert float(shown[40, 50]) == pytest.approx(1.5 * chord, rel=0.02)
    assert float(shown[40, 70]) == 0


def test_a_slab_gives_its_thickness_along_slanted_rays() -> None:
    density = torch.ones(200, 30, 200)
    volume = Volume(density, (-199.0, -29.0, -199.0), 2.0)
    shown = project(volume, geometry(View.AP, 81, 2.0))
    slant = np.sqrt(1 + (80.0**2) / 1150**2)
    assert float(shown[40, 40]) == pytest.approx(6.0, rel=1e-4)
    assert float(shown[40, 80]) == pytest.approx(6.0 * slant, rel=1e-4)


@pytest.mark.parametrize("view", list(View))
def test_merged_slices_change_little(view: View) -> None:
    volume = sphere(30, 1.0, 1.0, (12, -9, 20))
    plain, merged = (project(volume, geometry(view, 161, 1.0), merge=k) for k in (1, 2))
    assert float((plain - merged).abs().max()) < 0.01 * float(plain.max())
    assert float(merged.sum()) == pytest.approx(float(plain.sum()), rel=1e-3)


def test_magnification_is_source_distance_over_object_distance() -> None:
    shown = project(sphere(3, 1.0, 1.0, (20, 30, -10)), geometry(View.AP, 161, 1.0))
    row, column = np.unravel_index(int(shown.argmax()), shown.shape)
    scale = 1150 / 1030
    assert column - 80 == pytest.approx(20 * scale, abs=1)
    assert row - 80 == pytest.approx(10 * scale, abs=1)


def test_points_project_where_their_density_does() -> None:
    view = geometry(View.AP, 161, 1.0)
    shown = project(sphere(3, 1.0, 1.0, (20, 30, -10)), view)
    row, column = np.unravel_index(int(shown.argmax()), shown.shape)
    found = view.project_points(torch.tensor([[20.0, 30.0, -10.0]]))[0]
    assert (float(found[0]), float(found[1])) == pytest.approx((column, row), abs=1)


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
        return detect_signal(flat, thick, ratio, quanta, 0.0, 0.6, torch.Generator().manual_seed(0))

    assert float(signal(0.5, 10000).std()) < 0.4 * float(signal(0.5, 500).std())
    assert float(signal(1.0, 1e6).mean()) == pytest.approx(2 * float(signal(0.0, 1e6).mean()), rel=0.02)
