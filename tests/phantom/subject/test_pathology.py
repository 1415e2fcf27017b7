"""What sets one patient's spine apart."""

from __future__ import annotations

import numpy as np
import pytest

from phantom.subject.pathology import Deformity, DeformityKind, Exposure, Implant, sample_pathology
from phantom.subject.population import PopulationConfig, sample_person


@pytest.mark.parametrize(("loss", "grade"), [(0.10, 0), (0.20, 1), (0.249, 1), (0.25, 2), (0.40, 3)])
def test_genant_grades(loss: float, grade: int) -> None:
    assert Deformity(DeformityKind.WEDGE, loss).grade == grade


def test_findings_have_their_frequencies_and_weak_bone_breaks_more() -> None:
    config = PopulationConfig()
    sampled = [(p := sample_person(k, 2), sample_pathology(p, config)) for k in range(4000)]
    found = [q for _, q in sampled]
    assert np.mean([q.implant is not Implant.NONE for q in found]) == pytest.approx(0.03, abs=0.01)
    assert np.mean([q.fracture_grade > 0 and q.implant is Implant.NONE for q in found]) == pytest.approx(0.06, abs=0.02)
    assert np.mean([q.lumbar_count == 6 for q in found]) == pytest.approx(0.03, abs=0.01)
    assert np.mean([q.curve_deg > 10 for q in found]) == pytest.approx(0.025, abs=0.01)
    assert np.mean([str(q.exposure) != "good" for q in found]) == pytest.approx(0.025, abs=0.01)
    broken = np.array([q.fracture_grade > 0 for q in found])
    density = np.array([p.vbmd_mg_cm3 for p, _ in sampled])
    assert density[broken].mean() < density[~broken].mean() - 15
    old = np.array([p.age_years > 75 for p, _ in sampled])
    plaques = np.array([bool(q.plaques) for q in found])
    assert plaques[old].mean() > 0.6 > plaques[~old].mean()


def test_a_fraction_of_zero_means_nobody() -> None:
    none = PopulationConfig(implant_fraction=0, fracture_fraction=0, scoliosis_fraction=0, poor_exposure_fraction=0)
    found = [sample_pathology(sample_person(k, 2, none), none) for k in range(300)]
    assert all(q.implant is Implant.NONE and q.fracture_grade == 0 and q.curve_deg < 10 for q in found)
    assert all(str(q.exposure) == "good" for q in found)


def test_exposures_are_sampled_as_what_they_are() -> None:
    from phantom.subject.pathology import sample_pathology
    from phantom.subject.population import PopulationConfig

    every = PopulationConfig(poor_exposure_fraction=1.0)
    sampled = {sample_pathology(sample_person(k, 1), every).exposure for k in range(40)}
    assert sampled == {Exposure.UNDER, Exposure.OVER} and all(isinstance(e, Exposure) for e in sampled)
