"""Learning curves of the classifier with few films of a hospital that no training has seen; in-silico where COHORT is.

    osteolens simulate cohort --out runs/unseen --sites training:1300 --drawn-systems 1 --seed 61
    python -m benchmarks.few_films runs/unseen --out runs/few-films

The same test patients judge every size and way, and nothing else is done with them. Of the patients that a fit is
given, a fraction chooses and calibrates, as `osteolens train classifier` has it. A rerun keeps finished fits.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.few_films.figures import Results, Row, differences_of, figures_of
from benchmarks.few_films.hospital import Hospital, read_hospital, truth_of
from benchmarks.few_films.page import draw, table
from benchmarks.few_films.ways import HEADS, RECALIBRATED, START, Way, fitted, recalibrated, results_of, settings
from classify.training.begin import new_network
from classify.training.crops.crop_set import CropSet
from cohort.bmd import BMD_CLASSES
from cohort.cache_key import digest_of_parts
from osteolens.atomic import write_csv
from osteolens.documents.json_document import read_json, write_json
from osteolens.errors import ConfigError
from osteolens.training.run_options import RunOptions
from pipeline.bundle.load import Bundle, load_bundle

SIZES = (50, 100, 300, 1000)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit what is missing, print the table, draw the curves."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.few_films", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cohort", type=Path, help="folder with cohort.csv, rois.csv and images of one hospital")
    parser.add_argument("--out", type=Path, default=Path("runs/few-films"))
    parser.add_argument("--weights", type=Path, help="folder of weights; the shipped ones when left out")
    parser.add_argument("--patients", type=int, nargs="+", default=list(SIZES), help="that a fit is given")
    parser.add_argument("--ways", nargs="+", type=Way, choices=list(Way), default=list(Way))
    parser.add_argument("--test", type=int, default=300, help="patients who test")
    parser.add_argument("--repeats", type=int, default=1, help="draws of the patients of each size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto", help="of ways that train branches: auto, float32 or bfloat16")
    parser.add_argument("--set", action="append", default=[], dest="overrides", help="setting of every way, key=value")
    given = parser.parse_args(arguments)
    rows = measure(given)
    draw(rows, given.out / "few_films.png")
    print(table(rows))


def measure(given: argparse.Namespace) -> list[Row]:
    """A row for the weights as they are, and one for each way, size and repeat; written one by one."""
    bundle = load_bundle(given.weights)
    shared = settings(Way.HEAD, bundle, max(given.patients), given.overrides)
    hospital = read_hospital(given.cohort, given.out, shared, bundle, given.test, given.seed)
    run = Run(given, bundle, hospital)
    run.judge_start()
    for size in sorted(given.patients):
        known = {study.patient_id for study in hospital.others}
        if size > len(known):
            print(f"{size} patients: {len(known)} are left beside those who test", file=sys.stderr)
            continue
        for repeat in range(given.repeats):
            run.judge_recalibration(size, repeat)
            for way in given.ways:
                run.judge(way, size, repeat)
    return list(run.rows.values())


@dataclass
class Run:
    """Rows that are kept, and what the missing ones are made from."""

    given: argparse.Namespace
    bundle: Bundle
    hospital: Hospital
    rows: dict[tuple[str, int, int], Row] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the rows of an earlier run of the same.

        Raises:
            ConfigError: it was made from something else.
        """
        given, hospital = self.given, self.hospital
        self.truth = truth_of(hospital.test)
        self.made_from = digest_of_parts(
            self.bundle.identifiers,
            given.overrides,
            given.precision,
            given.seed,
            hospital.training.digest,
            hospital.test.digest,
        )
        self.file = given.out / "few_films.json"
        if self.file.is_file():
            document = read_json(self.file)
            if document["made_from"] != self.made_from:
                raise ConfigError(
                    f"{self.file}: is of other patients, weights, settings or another seed; give another --out"
                )
            self.rows = {row.key: row for row in map(Row.from_json, document["rows"])}
        self._start_network: dict[str, Results] = {}

    def judge_start(self) -> None:
        """The weights as they are."""
        if (START, 0, 0) not in self.rows:
            calibrated = self.bundle.calibration.studies > 0
            self._keep((START, 0, 0), (0, 0), self._of_start("test"), calibrated, 0.0)

    def judge_recalibration(self, size: int, repeat: int) -> None:
        """The weights with a calibration of their own, where the patients are enough for it."""
        key, started = (RECALIBRATED, size, repeat), time.monotonic()
        if key in self.rows:
            return
        patients = {study.patient_id for study in self.hospital.drawn(size, self._seed(repeat))}
        crops = self.hospital.validation.of_patients(patients)
        place = {uid: k for k, uid in enumerate(self.hospital.validation.study_uids)}
        shown = self._of_start("others").of(np.array([place[uid] for uid in crops.study_uids]))
        found = recalibrated((truth_of(crops), shown), self._of_start("test"), self.bundle.calibration)
        if found is None:
            print(f"{size} patients: too few, or too few of a class, to recalibrate by", file=sys.stderr)
            return
        self._keep(key, (0, len(crops.labels)), found, True, time.monotonic() - started)

    def judge(self, way: Way, size: int, repeat: int) -> None:
        """Fit, unless an earlier run did."""
        key = (way.value, size, repeat)
        if key in self.rows:
            return
        print(f"{way}: {size} patients, draw {repeat + 1}", file=sys.stderr, flush=True)
        seed, started = self._seed(repeat), time.monotonic()
        studies = self.hospital.drawn(size, seed)
        config = settings(way, self.bundle, len(studies), [*self._precision(way), *self.given.overrides])
        sides = self.hospital.sides(studies, config.validation_fraction, seed)
        folder = self.given.out / "fits" / "-".join(map(str, key))
        start = None if way is Way.NOTHING else self.bundle.classifier.parent
        options = RunOptions(device=self.given.device, seed=seed, resume=True, start_from=start)
        found, calibration = fitted(way, sides, folder, config, options)
        counts, calibrated = (len(sides[0].labels), len(sides[1].labels)), calibration.studies > 0
        self._keep(key, counts, found, calibrated, time.monotonic() - started)
        shutil.rmtree(folder)

    def _keep(
        self, key: tuple[str, int, int], counts: tuple[int, int], found: Results, calibrated: bool, seconds: float
    ) -> None:
        """Judge results on the test studies, and write the row and the results."""
        way, patients, repeat = key
        self.rows[key] = Row(
            way=way,
            patients=patients,
            repeat=repeat,
            training=counts[0],
            validation=counts[1],
            calibrated=calibrated,
            seconds=round(seconds, 1),
            figures=figures_of(self.truth, found),
            differences=differences_of(self.truth, found, self._of_start("test")),
        )
        columns = pd.DataFrame(found.probabilities.round(5), columns=[f"p_{name}" for name in BMD_CLASSES])
        columns.insert(0, "study_uid", self.hospital.test.study_uids)
        (self.given.out / "results").mkdir(parents=True, exist_ok=True)
        path = self.given.out / "results" / f"{'-'.join(map(str, key))}.csv"
        write_csv(path, columns.assign(t_score=found.t_scores.round(4)))
        document = {"made_from": self.made_from, "rows": [row.as_json() for row in self.rows.values()]}
        write_json(self.file, document)

    def _of_start(self, whose: str) -> Results:
        """What the weights say of the studies that test, or of the others."""
        if whose not in self._start_network:
            crops: CropSet = self.hospital.test if whose == "test" else self.hospital.validation
            config = settings(HEADS[0], self.bundle, 0, self.given.overrides)
            network = new_network(config, self.bundle.classifier.parent)
            self._start_network[whose] = results_of(network, config, crops, self.bundle.calibration, self.given.device)
        return self._start_network[whose]

    def _precision(self, way: Way) -> list[str]:
        """The setting of a way that trains branches; the features of the others are those of every size."""
        return [] if way in HEADS else [f"precision={self.given.precision}"]

    def _seed(self, repeat: int) -> int:
        return int(self.given.seed) + repeat


if __name__ == "__main__":
    main()
