"""Remake examples/: six in-silico studies, two of each class, the first that seed 11 gives.

Usage: python scripts/make_examples.py [--anatomy DIR]. Without the meshes the bones are the built-in ones and the
files differ from the shipped ones.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from cohort.study import BMD_CLASSES, classify_t_score
from phantom.write import SimulationPlan, simulate_cohort

SEED = 11
CANDIDATES = 24


def main() -> None:
    """Simulate candidates, keep two of each class, write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anatomy", type=Path)
    parser.add_argument("--out", type=Path, default=Path("examples"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        cohort = Path(scratch) / "cohort"
        chosen: dict[str, list[str]] = {c.value: [] for c in BMD_CLASSES}
        for count in range(1, CANDIDATES + 1):
            simulate_cohort(SimulationPlan(cohort, count, SEED, "mixed", 0.6, options.anatomy))
            table = pd.read_csv(cohort / "cohort.csv")
            last = table.iloc[-1]
            kept = chosen[classify_t_score(float(last["t_score"])).value]
            if len(kept) < 2:
                kept.append(str(last["patient_id"]))
            if all(len(names) == 2 for names in chosen.values()):
                break
        names = sorted(name for kept in chosen.values() for name in kept)
        options.out.mkdir(exist_ok=True)
        for name in names:
            target = options.out / name
            target.mkdir(exist_ok=True)
            for path in (cohort / name).glob("*.dcm"):
                shutil.copyfile(path, target / path.name)
        table = pd.read_csv(cohort / "cohort.csv", dtype=str)
        table = table[table["patient_id"].isin(names)]
        table.to_csv(options.out / "cohort.csv", index=False)
        rois = pd.read_csv(cohort / "rois.csv", dtype=str)
        rois[rois["study_uid"].isin(table["study_uid"])].to_csv(options.out / "rois.csv", index=False)
        print(table[["patient_id", "sex", "age_years", "t_score", "site"]].to_string(index=False))


if __name__ == "__main__":
    main()
