"""Two weights on the same patients: figures of each, and their differences with intervals by patient.

    python -m benchmarks.paired_weights runs/by-these runs/by-others runs/cohort

Both folders are of `osteolens process`. Studies count that are eligible, have DXA, and got a class by both. A figure of
the bias of the T-score is compared by its magnitude.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.few_films.figures import (
    BIAS,
    ECE,
    LOG_LOSS,
    MACRO,
    MAE,
    OSTEOPOROSIS,
    Results,
    Truth,
    differences_of,
    figures_of,
)
from cohort.eligibility import EligibilityCriteria
from osteolens.errors import ReadError
from pipeline.evaluation.classification.cases import EvaluatedCases, cases_of
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.evaluation.studies.flow import Fate, counted_studies
from pipeline.evaluation.studies.joined import EvaluatedStudy, References, read_references
from pipeline.evaluation.studies.results import read_results

NAMES = {
    MACRO: "macro AUC",
    OSTEOPOROSIS: "osteoporosis, AUC",
    LOG_LOSS: "log loss",
    ECE: "expected calibration error",
    MAE: "T-score: mean absolute error",
    BIAS: "T-score: estimate minus DXA, mean (differences of its magnitude)",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.paired_weights", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="by the weights that are judged")
    parser.add_argument("others", type=Path, help="by the weights beside them")
    parser.add_argument("cohort", type=Path, help="folder with cohort.csv or dxa.csv")
    given = parser.parse_args(arguments)
    references = read_references(given.cohort)
    ours, theirs = (_classified(folder, references) for folder in (given.results, given.others))
    shared = sorted(ours.keys() & theirs.keys())
    if not shared:
        raise ReadError(f"no eligible study with DXA has a class in both {given.results} and {given.others}")
    print(table([ours[uid] for uid in shared], [theirs[uid] for uid in shared]))


def _classified(folder: Path, references: References) -> dict[str, EvaluatedStudy]:
    """Studies of a folder that count, by identifier."""
    counted = counted_studies(read_results(folder), references, EligibilityCriteria())
    return {
        study.study.study_uid: study.evaluated
        for study in counted
        if study.fate is Fate.EVALUATED and study.evaluated is not None
    }


def table(ours: Sequence[EvaluatedStudy], theirs: Sequence[EvaluatedStudy]) -> str:
    """Markdown of the same studies by two weights, in the same order, all together and by site."""
    sites = sorted({study.site for study in ours if study.site is not None})
    groups = {"all": list(range(len(ours)))}
    if len(sites) > 1:
        groups |= {site: [k for k, study in enumerate(ours) if study.site == site] for site in sites}
    columns = {}
    for name, places in groups.items():
        these, others = (_cases([side[k] for k in places]) for side in (ours, theirs))
        truth = Truth(labels=these.labels, t_scores=these.t_scores, patients=these.patients)
        results, beside = (Results(cases.probabilities, cases.t_estimates) for cases in (these, others))
        columns[name] = figures_of(truth, results), figures_of(truth, beside), differences_of(truth, results, beside)
    by_these, by_others, _ = columns["all"]
    head = ["figure", "these weights", "the others", *(f"difference, {n} ({len(p)})" for n, p in groups.items())]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for figure, name in NAMES.items():
        signed = figure == BIAS
        shown = [_text(by_these[figure], signed), _text(by_others[figure], signed)]
        shown += [_text(differences[figure], True) for _, _, differences in columns.values()]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _cases(studies: Sequence[EvaluatedStudy]) -> EvaluatedCases:
    cases = cases_of(studies)
    if cases is None or len(cases.labels) != len(studies) or not np.isfinite(cases.t_estimates).all():
        raise ReadError("a study has no probabilities or no T-score; screen both with weights that tell both")
    return cases


def _text(one: Estimate, signed: bool) -> str:
    value, low, high = (f"{v:+.3f}" if signed else f"{v:.3f}" for v in (one.value, one.low, one.high))
    return f"{value} ({low} to {high})"


if __name__ == "__main__":
    main()
