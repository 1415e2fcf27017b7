"""What a head gains with more patients, the branches staying as they are; in-silico where the cohorts are.

    python -m benchmarks.head_patients runs/training --features runs/features --test runs/test --patients 800 3200

Each fit begins with the head of the weights and sees a nested draw of the patients; the same test studies, on their
boxes and displays as they are, judge every fit, and nothing is chosen by them. Probabilities are uncalibrated. A rerun
keeps finished fits. With --classifier the branches and the head to begin with are those of a run of
`osteolens train classifier`, a row shows it as it is, and differences stay those from the weights. Each fit is judged
with each set of --inputs, the others hidden, against the weights with the same inputs.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.few_films.figures import BIAS, MACRO, MAE, OSTEOPOROSIS, Results, Row, differences_of, figures_of
from benchmarks.few_films.hospital import truth_of
from classify.inputs import SIX, InputSet
from classify.network.densenet import DualChannelDenseNet
from classify.training.begin import new_network
from classify.training.config import ClassifierTraining
from classify.training.crops.build import build_crops
from classify.training.head.features import branch_digest, pooled_features
from classify.training.head.fit import HeadPlan, fit_head
from classify.training.head.origin import origin_of
from classify.training.head.side import Side
from classify.training.head.stored import check_stored, joined, read_stored
from classify.training.loss import classifier_loss
from cohort.cache_key import digest_of_parts
from cohort.eligibility import exclusions
from cohort.io.annotations import Rois
from cohort.study import Study
from osteolens.config import load_config
from osteolens.documents.json_document import read_json, write_json
from osteolens.errors import ConfigError
from osteolens.training.device import seed_everything
from pipeline.bundle.load import load_bundle
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.screening.screener import Screener
from pipeline.training.classifier import crop_plan, settled, variants_of, with_targets
from pipeline.training.cohorts import eligible_studies
from pipeline.training.folders import read_folder
from pipeline.training.run import TrainingOptions

START, GIVEN = "start", "classifier"
ALL = SIX[-1].name
INPUTS = {inputs.name: inputs for inputs in SIX}
SHOWN = (OSTEOPOROSIS, MACRO, BIAS, MAE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit what is missing and print the table."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.head_patients", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cohorts", type=Path, nargs="+", help="folders with patients to fit on")
    parser.add_argument("--features", type=Path, nargs="*", default=[], help="of `osteolens simulate features`")
    parser.add_argument("--test", type=Path, required=True, help="cohort folder of other patients, who judge")
    parser.add_argument("--site", nargs="*", default=[], help="of the test studies; all when left out")
    parser.add_argument("--out", type=Path, default=Path("runs/head-patients"))
    parser.add_argument("--weights", type=Path, help="folder of weights; the shipped ones when left out")
    parser.add_argument("--classifier", type=Path, help="run of a classifier to begin with in place of the weights'")
    parser.add_argument("--patients", type=int, nargs="+", required=True, help="that a fit is given; 0 for all")
    parser.add_argument("--decays", type=float, nargs="+", default=[3.0], help="weight decays of the head")
    parser.add_argument("--inputs", nargs="+", choices=INPUTS, default=[ALL], help="sets that each fit is judged with")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], dest="overrides", help="setting of training, key=value")
    given = parser.parse_args(arguments)
    if min(given.patients) < 0:
        parser.error(f"--patients {min(given.patients)}: expected 0 or more")
    print(table(measure(given)))


def measure(given: argparse.Namespace) -> list[Row]:
    """Rows for the weights as they are, and for each number of patients and decay; written fit by fit."""
    bundle = load_bundle(given.weights)
    start, screener = bundle.classifier.parent, Screener(bundle)
    begun: Path = given.classifier or start
    schedule = f"resolution_schedule=[[{bundle.working_px}, 0]]"
    config = settled(load_config(ClassifierTraining, None, [schedule, *given.overrides]), start)
    network, side = new_network(config, begun), config.resolution_schedule[-1][0]

    found = eligible_studies(given.cohorts, TrainingOptions(), config.criteria, config.sites)
    found = with_targets(replace(found, held_out=[]), config)
    if config.boxes == "detector":
        raise ConfigError("boxes=detector: this compares heads on true boxes; leave it out")
    plan = crop_plan(config, given.seed, screener)
    crops = build_crops(found.training, found.rois, plan, given.out / "crops", _told)
    training = Side(crops, pooled_features(network, crops, side, config.preprocess, "cpu"))
    tested, rois = _test_studies(given.test, given.site, config)
    as_they_are = build_crops(tested, rois, replace(plan, variants=1), given.out / "crops-test", _told)
    test = Side(as_they_are, pooled_features(network, as_they_are, side, config.preprocess, "cpu"))
    stored = [read_stored(folder) for folder in given.features]
    if stored:
        check_stored(
            stored,
            origin_of(config, begun, variants_of(config)),
            found.patients | set(crops.patient_ids),
        )
        training = joined(training, stored, network.spec.views, given.out)
    if both := set(training.studies.patient_ids) & set(as_they_are.patient_ids):
        raise ConfigError(f"{len(both)} patients of {given.test} are fitted on too; expected others")

    branches = [branch_digest(network, view) for view in network.spec.views]
    made_from = digest_of_parts(
        bundle.identifiers, branches, given.overrides, given.seed, training.studies.digest, as_they_are.digest
    )
    file = given.out / "head_patients.json"
    rows: dict[tuple[str, int, int], Row] = {}
    if file.is_file() and read_json(file)["made_from"] == made_from:
        rows = {row.key: row for row in map(Row.from_json, read_json(file)["rows"])}
    judges = {name: _of_inputs(test, INPUTS[name]) for name in given.inputs}
    before = began_with = {name: _results(judge, network) for name, judge in judges.items()}
    if given.classifier is not None:
        shipped = new_network(config, start)
        features = pooled_features(shipped, as_they_are, side, config.preprocess, "cpu")
        before = {name: _results(replace(judge, features=features), shipped) for name, judge in judges.items()}

    def keep(fit: str, patients: int, studies: int, results: Mapping[str, Results], seconds: float) -> None:
        for name, found in results.items():
            truth = truth_of(judges[name].studies)
            rows[_way(fit, name), patients, 0] = Row(
                way=_way(fit, name),
                patients=patients,
                repeat=0,
                training=studies,
                validation=0,
                calibrated=False,
                seconds=round(seconds, 1),
                figures=figures_of(truth, found),
                differences=differences_of(truth, found, before[name]),
            )
        write_json(file, {"made_from": made_from, "rows": [row.as_json() for row in rows.values()]})

    keep(START, 0, 0, before, 0.0)
    if given.classifier is not None:
        keep(GIVEN, 0, 0, began_with, 0.0)
    for patients in given.patients:
        own = _drawn(training, patients, given.seed)
        count = len(set(own.studies.patient_ids))
        for decay in given.decays:
            fit = f"decay {decay:g}"
            if all((_way(fit, name), count, 0) in rows for name in judges):
                continue
            began, fitted = time.monotonic(), copy.deepcopy(network)
            seed_everything(given.seed, 1)
            loss = classifier_loss(own.studies.labels, config, "cpu")
            how = HeadPlan(config=config, loss=loss, device="cpu", seed=given.seed, weight_decay=decay)
            fit_head(fitted, own, how)
            seconds = time.monotonic() - began
            keep(fit, count, len(own.studies.labels), {n: _results(j, fitted) for n, j in judges.items()}, seconds)
            for name in judges:
                print(_line(rows[_way(fit, name), count, 0]), file=sys.stderr, flush=True)
    return list(rows.values())


def _way(fit: str, inputs: str) -> str:
    return fit if inputs == ALL else f"{fit}, {inputs}"


def _of_inputs(side: Side, inputs: InputSet) -> Side:
    """The studies that have one of a set's views, all that is not of the set hidden."""
    studies = side.studies.of_views(inputs.views)
    known = studies.covariates if inputs.covariates else np.zeros_like(studies.covariates)
    return replace(side, studies=replace(studies, covariates=known))


def _test_studies(cohort: Path, sites: Sequence[str], config: ClassifierTraining) -> tuple[list[Study], Rois]:
    """Eligible studies of a cohort, of some sites, and its boxes."""
    folder = read_folder(cohort, [])
    studies = [s for s in folder.studies if not exclusions(s, config.criteria) and (not sites or s.site in sites)]
    return studies, folder.rois


def _results(side: Side, network: DualChannelDenseNet) -> Results:
    return Results(*side.result(network, "cpu"))


def _drawn(side: Side, patients: int, seed: int) -> Side:
    """The studies of so many patients; fewer are some of those of a larger number."""
    known = sorted(set(side.studies.patient_ids))
    if patients > len(known):
        raise ConfigError(f"--patients {patients}: there are {len(known)}")
    order = np.random.default_rng(seed).permutation(len(known))
    return replace(side, studies=side.studies.of_patients({known[k] for k in order[: patients or len(known)]}))


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    names = [*SHOWN, *(f"{name} - start" for name in (OSTEOPOROSIS, MACRO, MAE))]
    head = f"| fit | patients | {' | '.join(names)} | seconds |"
    return "\n".join([head, "|---" * (len(names) + 3) + "|", *map(_line, rows)])


def _line(row: Row) -> str:
    shown = [_text(row.figures[name]) for name in SHOWN]
    shown += [
        _text(row.differences[name]) if not row.way.startswith(START) else "" for name in (OSTEOPOROSIS, MACRO, MAE)
    ]
    return f"| {row.way} | {row.patients} | {' | '.join(shown)} | {row.seconds:.0f} |"


def _text(one: Estimate) -> str:
    return f"{one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f})"


def _told(done: int, total: int) -> None:
    if done % 200 == 0 or done == total:
        print(f"  {done} of {total} cropped", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
