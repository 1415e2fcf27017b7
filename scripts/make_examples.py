"""Remake examples/: six in-silico studies, two of each class, the first eligible ones that seed 11 gives.

Usage: python scripts/make_examples.py [--anatomy DIR]. Without the meshes the bones are the built-in ones and the
files differ from the shipped ones.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import pandas as pd

from cohort.bmd import BMD_CLASSES
from cohort.eligibility import exclusions
from cohort.io.folder import index_cohort
from phantom.cohort import simulate_cohort
from phantom.plan import SimulationOptions

SEED = 11
CANDIDATES = 24
EACH = 2


def main() -> None:
    """Simulate candidates, keep two of each class, write the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anatomy", type=Path)
    parser.add_argument("--out", type=Path, default=Path("examples"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        cohort = Path(scratch) / "cohort"
        how = SimulationOptions(anatomy=options.anatomy, jobs=os.cpu_count() or 1)
        simulate_cohort(cohort, CANDIDATES, SEED, options=how)
        table = pd.read_csv(cohort / "cohort.csv", dtype=str).set_index("study_uid")
        chosen: dict[str, list[str]] = {c.value: [] for c in BMD_CLASSES}
        for study in sorted(index_cohort(cohort).studies, key=lambda s: s.patient_id):
            plain = not exclusions(study) and table.loc[study.study_uid, "lumbar_count"] == "5"
            if plain and study.dxa is not None and study.dxa.bmd_class is not None:
                kept = chosen[study.dxa.bmd_class.value]
                if len(kept) < EACH:
                    kept.append(study.study_uid)
        uids = [uid for kept in chosen.values() for uid in kept]
        for old in options.out.glob("SIM*"):
            shutil.rmtree(old)
        for patient in table.loc[uids, "patient_id"]:
            target = options.out / str(patient)
            target.mkdir(parents=True)
            for path in (cohort / str(patient)).glob("*.dcm"):
                shutil.copyfile(path, target / path.name)
        for name in ("cohort.csv", "rois.csv", "readers.csv"):
            rows = pd.read_csv(cohort / name, dtype=str)
            rows[rows["study_uid"].isin(uids)].to_csv(options.out / name, index=False)
        print(table.loc[uids, ["patient_id", "sex", "age_years", "t_score", "site"]].to_string(index=False))


if __name__ == "__main__":
    main()
