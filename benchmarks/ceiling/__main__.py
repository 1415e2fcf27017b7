"""What can be known of bone density at each step from bone to display, by one head. In-silico: simulated patients.

Usage: python -m benchmarks.ceiling --out runs/ceiling [--patients 1500] [--anatomy DIR]
A rerun simulates none of the patients that stand in --out. Two thirds of them fit the head, the others judge it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.ceiling.head import fitted, statistics_of
from benchmarks.ceiling.steps import DRAWN_STEPS, PHYSICS, SHIPPED, STEPS, StepsTask, write_steps
from cohort.bmd import NORMAL_FROM, OSTEOPOROSIS_TO
from osteolens.processes import available_cores
from phantom.plan import SimulationOptions, SimulationPlan
from phantom.processes import in_processes, load_sources
from phantom.subject.population import PopulationConfig
from phantom.xray.system import SYSTEMS, SimulatedSite
from pipeline.evaluation.statistics.roc import auc

Floats = npt.NDArray[np.float64]

ELIGIBLE = PopulationConfig(
    implant_fraction=0, fracture_fraction=0, scoliosis_fraction=0, poor_exposure_fraction=0, late_dxa_fraction=0
)
"""Patients without the findings that exclude a study."""

TRAINING = tuple(system.name for system in SYSTEMS[SimulatedSite.TRAINING])
TESTS = tuple(SYSTEMS[site][0].name for site in (SimulatedSite.TEST1, SimulatedSite.TEST2))


@dataclass(frozen=True, slots=True)
class Patients:
    """Simulated patients: statistics (n, k) of the crops by step, T-scores, covariates and bones."""

    by_step: dict[str, Floats]
    t_scores: Floats
    covariates: Floats
    bones: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        inputs: what the head is given.
        judged: display that the judged images have; empty where none.
        covariates: whether age, sex and BMI are given too.
        patients: that judge.
        osteoporosis: AUC with the ends of its 95 % interval.
        osteopenia: AUC by the distance from the middle of osteopenia.
        normal: AUC.
        r: correlation of estimated and measured T-scores.
        bias: mean of estimated minus measured T-scores.
    """

    inputs: str
    judged: str
    covariates: bool
    patients: int
    osteoporosis: tuple[float, float, float]
    osteopenia: float
    normal: float
    r: float
    bias: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate what is missing, fit, print, write."""
    parser = argparse.ArgumentParser("python -m benchmarks.ceiling", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/ceiling"))
    parser.add_argument("--patients", type=int, default=1500)
    parser.add_argument("--anatomy", type=Path, help="folder of bone meshes; built-in bones when left out")
    parser.add_argument("--seed", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=available_cores())
    given = parser.parse_args(arguments)
    options = SimulationOptions(anatomy=given.anatomy, population=ELIGIBLE)
    plan = SimulationPlan(out=given.out, seed=given.seed, options=options)
    given.out.mkdir(parents=True, exist_ok=True)
    tasks = [StepsTask(plan, index) for index in range(given.patients)]
    missing = [task for task in tasks if not task.path.is_file()]
    if missing:
        load_sources(given.anatomy)
    for number, _ in enumerate(in_processes(write_steps, missing, given.jobs), start=1):
        if number % 50 == 0:
            print(f"{number} of {len(missing)} simulated", flush=True)
    rows = table(read_patients([task.path for task in tasks]))
    (given.out / "ceiling.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print(as_text(rows))


def read_patients(paths: Sequence[Path]) -> Patients:
    """Patients whose bodies all lie in both fields."""
    whole = []
    for path in paths:
        with np.load(path) as stored:
            if stored["crops"].size and np.isfinite(stored["t_score"]):
                whole.append({name: stored[name] for name in stored.files})
    crops = np.stack([one["crops"] for one in whole])
    return Patients(
        by_step={step: statistics_of(crops[:, k]) for k, step in enumerate(STEPS)},
        t_scores=np.array([float(one["t_score"]) for one in whole]),
        covariates=np.stack([one["covariates"] for one in whole]),
        bones=np.stack([one["bones"] for one in whole]),
    )


def table(patients: Patients) -> list[Row]:
    """Every step by a head of its own, and the displays of the test sites by heads of other displays."""
    count = len(patients.t_scores)
    judge = np.arange(count) % 3 == 2
    rows = [_row("age, sex, BMI", "", True, patients, _without_images(patients, None), judge)]
    rows.append(_row("true bones", "", True, patients, _without_images(patients, patients.bones), judge))
    for with_covariates in (False, True):
        for step in (*PHYSICS, *(system.name for system in SHIPPED)):
            rows.append(_of_displays((step,), step, with_covariates, patients, judge))
        for test in TESTS:
            rows.append(_of_displays(TRAINING, test, with_covariates, patients, judge))
            rows.append(_of_displays(DRAWN_STEPS, test, with_covariates, patients, judge))
    return rows


def _without_images(patients: Patients, more: Floats | None) -> Floats:
    return patients.covariates if more is None else np.concatenate((patients.covariates, more), 1)


def _row(inputs: str, judged: str, covariates: bool, patients: Patients, features: Floats, judge: Any) -> Row:
    predict = fitted(features[~judge], patients.t_scores[~judge])
    return _judged(inputs, judged, covariates, predict, features[judge], patients.t_scores[judge])


def _of_displays(
    fit: Sequence[str], judged: str, covariates: bool, patients: Patients, judge: npt.NDArray[np.bool_]
) -> Row:
    def given(step: str, rows: npt.NDArray[np.bool_]) -> Floats:
        parts = [patients.by_step[step][rows]] + ([patients.covariates[rows]] if covariates else [])
        return np.concatenate(parts, 1)

    features = np.concatenate([given(step, ~judge) for step in fit])
    predict = fitted(features, np.tile(patients.t_scores[~judge], len(fit)))
    name = "drawn systems" if tuple(fit) == DRAWN_STEPS else " + ".join(fit)
    return _judged(name, judged, covariates, predict, given(judged, judge), patients.t_scores[judge])


def _judged(
    inputs: str, judged: str, covariates: bool, predict: Callable[[Floats], Floats], features: Floats, truth: Floats
) -> Row:
    estimate = predict(features)
    osteoporosis = auc(truth <= OSTEOPOROSIS_TO, -estimate)
    middle = (NORMAL_FROM + OSTEOPOROSIS_TO) / 2
    osteopenia = (truth > OSTEOPOROSIS_TO) & (truth < NORMAL_FROM)
    return Row(
        inputs=inputs,
        judged=judged,
        covariates=covariates,
        patients=len(truth),
        osteoporosis=(round(osteoporosis.value, 3), round(osteoporosis.low, 3), round(osteoporosis.high, 3)),
        osteopenia=round(auc(osteopenia, -abs(estimate - middle)).value, 3),
        normal=round(auc(truth >= NORMAL_FROM, estimate).value, 3),
        r=round(float(np.corrcoef(estimate, truth)[0, 1]), 3),
        bias=round(float((estimate - truth).mean()), 3),
    )


def as_text(rows: Sequence[Row]) -> str:
    """The table in Markdown."""
    lines = [
        "| head fitted on | judged on | age, sex, BMI | osteoporosis, AUC (95 %) | osteopenia | normal | r | T bias |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        value, low, high = row.osteoporosis
        lines.append(
            f"| {row.inputs} | {row.judged or 'the same'} | {'yes' if row.covariates else 'no'} "
            f"| {value:.3f} ({low:.3f}-{high:.3f}) | {row.osteopenia:.3f} | {row.normal:.3f} | {row.r:.2f} "
            f"| {row.bias:+.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
