"""Results of a site with DXA, named as if the shipped weights had made them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from classify.calibration import Decision, prediction_set
from cohort.bmd import BMD_CLASSES
from pipeline.bundle.load import Bundle
from pipeline.prediction import ModelIdentifiers
from tests.predictions import save, screened

MakeSite = Callable[..., tuple[Path, Path]]


@pytest.fixture
def make_site(tmp_path: Path, bundle: Bundle) -> MakeSite:
    """Write results and cohort.csv of a site: T-scores times `slope`, off by `bias`; logits times `sharpness`."""

    def make(
        patients: int = 90,
        bias: float = 0.0,
        slope: float = 1.0,
        sharpness: float = 1.0,
        site: str = "ours",
        low: bool = True,
    ) -> tuple[Path, Path]:
        rng = np.random.default_rng(7)
        known = rng.normal(-1.8 if low else 2.0, 1.3 if low else 0.5, patients)
        truth, estimates = np.round(known + rng.normal(0, 0.6, patients), 2), slope * known + bias
        model = ModelIdentifiers(version=bundle.version, settings="0" * 12, hashes=bundle.hashes)
        predictions = []
        for k, estimate in enumerate(estimates):
            edges = norm.cdf((np.array([-2.5, -1.0]) - (estimate - bias) / slope) / 0.6)
            raw = np.maximum([1 - edges[1], edges[1] - edges[0], edges[0]], 1e-4) ** sharpness
            p = np.round(raw / raw.sum(), 4)
            p[p.argmax()] += 1 - p.sum()
            predictions.append(
                replace(
                    screened(f"s{k}", float(truth[k]), patient_id=f"p{k}"),
                    model=model,
                    probabilities={c: float(v) for c, v in zip(BMD_CLASSES, p, strict=True)},
                    bmd_class=BMD_CLASSES[int(p.argmax())],
                    t_score=float(estimate),
                    prediction_set=prediction_set(p, bundle.calibration),
                    decision=Decision.INDETERMINATE,
                )
            )
        cohort = tmp_path / "cohort"
        cohort.mkdir()
        lines = [f"p{k},s{k},{site},66,F,24,2024-03-{1 + k % 28:02d},{t}" for k, t in enumerate(truth)]
        head = "patient_id,study_uid,site,age_years,sex,bmi_kg_m2,study_date,t_score"
        (cohort / "cohort.csv").write_text("\n".join([head, *lines]) + "\n")
        return save(tmp_path / "results", predictions), cohort

    return make
