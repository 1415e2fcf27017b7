"""Plans, their sites and simulation.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cohort.in_silico import fresh_for, read_fresh_for
from osteolens.errors import ConfigError, OutputError
from phantom.plan import SimulationOptions, SimulationPlan, assign_sites, claim_folder, read_plan
from phantom.subject.population import PopulationConfig
from phantom.variety import Variety


def test_counts_of_sites_are_kept(tmp_path: Path) -> None:
    assert assign_sites(SimulationPlan(out=tmp_path, sites="training:3,test2:2")) == ["training"] * 3 + ["test2"] * 2
    mixed = assign_sites(SimulationPlan(out=tmp_path, patients=5))
    assert mixed == ["training", "validation", "test1", "test2", "training"]
    assert len(assign_sites(SimulationPlan(out=tmp_path))) == 10


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (SimulationPlan(out=Path(), patients=0), "got 0 patients"),
        (SimulationPlan(out=Path(), patients=1, sites="nowhere"), "site 'nowhere' is unknown"),
        (SimulationPlan(out=Path(), patients=1, options=SimulationOptions(spacing_mm=9.0)), "0.1-2 mm"),
        (SimulationPlan(out=Path(), patients=1, options=SimulationOptions(jobs=0)), "in 0 processes"),
        (SimulationPlan(out=Path(), patients=3, sites="test1:2"), "name 2 patients, not 3"),
        (SimulationPlan(out=Path(), patients=3, sites="test1:x"), "expected a count"),
    ],
)
def test_an_impossible_plan_is_refused(plan: SimulationPlan, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        assign_sites(plan)


def test_a_plan_is_read_back_from_its_cohort(tmp_path: Path) -> None:
    options = SimulationOptions(
        spacing_mm=1.0, variety=Variety.FADED, population=PopulationConfig(fracture_fraction=0.2)
    )
    claim_folder(SimulationPlan(out=tmp_path, patients=2, seed=8, sites="test1", options=options))
    for name in ("SIM0008-00000", "SIM0008-00001"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "patient.json").write_text("{}")
    plan = read_plan(tmp_path, jobs=3)
    assert plan == SimulationPlan(
        out=tmp_path,
        patients=2,
        seed=8,
        sites="test1",
        options=SimulationOptions(
            spacing_mm=1.0, variety=Variety.FADED, population=PopulationConfig(fracture_fraction=0.2), jobs=3
        ),
    )


def test_a_cohort_of_meshes_needs_them_again(tmp_path: Path) -> None:
    options = SimulationOptions(anatomy=tmp_path / "bones")
    claim_folder(SimulationPlan(out=tmp_path / "cohort", options=options))
    with pytest.raises(ConfigError, match="give --anatomy as when it was simulated"):
        read_plan(tmp_path / "cohort")
    assert read_plan(tmp_path / "cohort", tmp_path / "bones").options.anatomy == tmp_path / "bones"
    claim_folder(SimulationPlan(out=tmp_path / "plain"))
    with pytest.raises(ConfigError, match="built-in bones alone"):
        read_plan(tmp_path / "plain", tmp_path / "bones")


def test_a_folder_without_a_plan_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"simulation\.json is missing; expected a cohort folder"):
        read_plan(tmp_path)
    (tmp_path / "simulation.json").write_text('{"format": 2, "seed": "many"}')
    with pytest.raises(ConfigError, match="seed: Input should be a valid integer"):
        read_plan(tmp_path)


def test_a_folder_of_another_plan_tells_what_differs(tmp_path: Path) -> None:
    claim_folder(SimulationPlan(out=tmp_path, seed=9))
    claim_folder(SimulationPlan(out=tmp_path, seed=9, patients=30))
    with pytest.raises(ConfigError, match="seed is 9, not 10; give another output folder or the same settings"):
        claim_folder(SimulationPlan(out=tmp_path, seed=10))


def test_a_cohort_of_version_0_1_is_read(tmp_path: Path) -> None:
    document = {
        "notice": "In-silico: simulated radiographs and DXA. No patient, no clinical evidence.",
        "seed": 22,
        "site": "training",
        "spacing_mm": 0.6,
        "variety": "faint",
        "anatomies": "built-in",
        "population": {"male_share": 0.5, "age_mean_years": 70.0},
    }
    (tmp_path / "simulation.json").write_text(json.dumps(document))
    plan = read_plan(tmp_path)
    assert (plan.seed, plan.sites, plan.options.variety) == (22, "training", Variety.FADED)
    assert plan.options.population == PopulationConfig(male_fraction=0.5, age_mean_years=70.0)


@pytest.mark.parametrize("table", ["cohort.csv", "rois.csv", "readers.csv", "annotations.json"])
def test_tables_of_a_hospital_are_never_overwritten(table: str, tmp_path: Path) -> None:
    (tmp_path / table).write_text("patient_id,study_uid,t_score\np7,1.2.3,-2.6\n")
    with pytest.raises(ConfigError, match=rf"{table} .* is not simulated; it would be overwritten; give another"):
        claim_folder(SimulationPlan(out=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [table]


def test_a_folder_of_simulated_studies_alone_is_taken(tmp_path: Path) -> None:
    (tmp_path / "cohort.csv").write_text("patient_id,study_uid\nCT-ct,1.2.3\n")
    (tmp_path / "CT-ct").mkdir()
    (tmp_path / "CT-ct" / "patient.json").write_text("{}")
    claim_folder(SimulationPlan(out=tmp_path))
    assert (tmp_path / "simulation.json").is_file()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/cohort: cannot be written"):
        claim_folder(SimulationPlan(out=tmp_path / "file" / "cohort"))


def test_a_fresh_plan_takes_the_seed_of_its_weights_and_says_so(tmp_path: Path) -> None:
    fresh = fresh_for("one", {"detector": "ab" * 8})
    options = SimulationOptions(fresh_for=fresh)
    with pytest.raises(ConfigError, match=f"seed 5 is not {fresh.seed}, which weights one give"):
        assign_sites(SimulationPlan(out=tmp_path, seed=5, options=options))
    plan = SimulationPlan(out=tmp_path / "fresh", seed=fresh.seed, options=options)
    claim_folder(plan)
    assert read_fresh_for(plan.out) == fresh and read_plan(plan.out).options.fresh_for == fresh
    with pytest.raises(ConfigError, match="this folder holds another cohort: fresh_for is"):
        claim_folder(SimulationPlan(out=plan.out, seed=fresh.seed))
    other = SimulationPlan(out=tmp_path / "other")
    claim_folder(other)
    assert "fresh_for" not in json.loads((other.out / "simulation.json").read_text())


def test_drawn_systems_are_part_of_the_plan(tmp_path: Path) -> None:
    drawn = SimulationOptions(drawn_systems=48)
    claim_folder(SimulationPlan(out=tmp_path, seed=8, options=drawn))
    assert read_plan(tmp_path).options.drawn_systems == 48
    with pytest.raises(ConfigError, match="drawn_systems is 48, not 0"):
        claim_folder(SimulationPlan(out=tmp_path, seed=8))
    with pytest.raises(ConfigError, match="got 1001 drawn systems; expected 0 to 1000"):
        assign_sites(SimulationPlan(out=tmp_path, options=SimulationOptions(drawn_systems=1001)))
