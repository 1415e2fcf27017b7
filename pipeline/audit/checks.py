"""The honesty of an in-silico cohort, measured: population, DXA, short cuts, readers; a report with figures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from cohort.bmd import BMD_CLASSES, REFERENCES, YOUNG_CHINESE
from cohort.covariates import Sex
from cohort.eligibility import exclusions
from cohort.io.annotations import read_rois
from cohort.io.folder import index_cohort
from cohort.study import Study
from osteolens.errors import ReadError
from pipeline.audit.report import write_audit_report
from pipeline.audit.shortcut_learning import covariate_features, cross_validated_auc, image_features, shortcut_areas
from pipeline.evaluation.report.published import TABLE_1

WOMEN_FROM_60_BMD = (0.795, 0.140)
"""Women of 60 years and more in Hong Kong (Wang and Xiao 2022, PMC9403581, Table 1)."""


YOUNG_ADULTS = 150
"""Young adults of each sex whose DXA is simulated for an audit."""


@dataclass(frozen=True, slots=True)
class Check:
    """One measured value, the bounds it must keep and where they come from."""

    name: str
    value: float
    low: float
    high: float
    source: str

    @property
    def passed(self) -> bool:
        """Whether the value lies within the bounds."""
        return self.low <= self.value <= self.high


@dataclass(frozen=True, slots=True)
class AuditSummary:
    """How many checks there were and how many passed."""

    checks: int
    passed: int


def audit_cohort(
    cohort: Path,
    young: Sequence[dict[str, Any]],
    out: Path,
    real: Path | None = None,
    image_studies: int = 1000,
    done: Callable[[int], None] = lambda _: None,
) -> AuditSummary:
    """Write `report.html`, `audit.json` and figures on a simulated cohort.

    Args:
        cohort: folder with cohort.csv, rois.csv and readers.csv of `osteolens simulate`.
        young: rows of sex, age_years, vbmd_mg_cm3 and bmd_g_cm2 of simulated young adults.
        out: folder to write, outside the cohort, since its pictures are no radiographs.
        real: folder of real films to show beside simulated ones.
        image_studies: most eligible studies whose images are read for the search of short cuts.
        done: called with the number of studies whose images are read.

    Raises:
        ReadError: no eligible study, or a table without the columns that only a simulation has.
    """
    studies = index_cohort(cohort).studies
    reasons = {study.study_uid: exclusions(study) for study in studies}
    kept = [study for study in studies if not reasons[study.study_uid]]
    table = pd.read_csv(cohort / "cohort.csv").set_index("study_uid") if (cohort / "cohort.csv").is_file() else None
    if table is None or not kept or "vbmd_mg_cm3" not in table:
        raise ReadError(f"{cohort}: {len(kept)} eligible studies and no vbmd_mg_cm3; expected a simulated cohort")
    truth = table.loc[[study.study_uid for study in kept]]
    sites = _table_1(kept)
    positive = np.array([s.dxa is not None and s.dxa.t_score is not None and s.dxa.t_score <= -2.5 for s in kept])
    covariates = covariate_features(kept)
    by_covariates = cross_validated_auc(covariates, positive)
    chosen = np.random.default_rng(0).permutation(len(kept))[:image_studies]
    groups = image_features([kept[k] for k in chosen], read_rois(cohort / "rois.csv"), done)
    areas = shortcut_areas(groups, positive[chosen])
    adults = pd.DataFrame(list(young))
    overlap = reader_overlap(cohort / "readers.csv")
    checks = [
        *_population_checks(kept, sites),
        *_bone_checks(truth, adults),
        Check("AUC of osteoporosis from age, sex and BMI", by_covariates, 0.70, 0.82, "realistic range"),
        *(
            Check(f"AUC of osteoporosis from {name}", area, 0.0, min(0.80, by_covariates + 0.05), "no short cut")
            for name, area in areas.items()
        ),
        Check("mean overlap of two readers", overlap, 0.90, 0.94, "Mao 2022: above 90 %"),
    ]
    error = truth["bmd_g_cm2"] - truth["true_bmd_g_cm2"]
    flow = Counter(reason for found in reasons.values() for reason in found)
    document = {
        "notice": "In-silico: simulated radiographs and DXA. No patient, no clinical evidence.",
        "patients": len(studies),
        "eligible": len(kept),
        "excluded_for": dict(flow.most_common()),
        "table_1": sites,
        "paper_table_1": TABLE_1,
        "checks": [{**asdict(check), "passed": check.passed} for check in checks],
        "image_studies": len(chosen),
        "young_adults": len(adults),
        "dxa_error_g_cm2": {"mean": float(error.mean()), "sd": float(error.std())},
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "audit.json").write_text(json.dumps(document, indent=1))
    write_audit_report(out, document, truth, adults, kept, real)
    return AuditSummary(len(checks), sum(check.passed for check in checks))


def _table_1(studies: Sequence[Study]) -> dict[str, dict[str, float]]:
    """Each site's and the total's line of Table 1, and p-values between sites (ANOVA, chi-square)."""
    rows = pd.DataFrame(
        {
            "site": [s.site or "unknown" for s in studies],
            "age": [s.covariates.age_years for s in studies],
            "men": [s.covariates.sex is Sex.MALE for s in studies],
            "bmi": [s.covariates.bmi_kg_m2 for s in studies],
            "t": [s.dxa.t_score if s.dxa else None for s in studies],
            "class": [str(s.dxa.bmd_class) if s.dxa else "" for s in studies],
        }
    ).astype({"age": float, "bmi": float, "t": float})
    parts = {str(site): part for site, part in rows.groupby("site", sort=False)}
    order = [site for site in TABLE_1 if site in parts] + [site for site in parts if site not in TABLE_1]
    table = {site: _line(parts[site]) for site in order}
    table["total"] = _line(rows)
    if len(parts) > 1:
        table["p"] = {
            **{
                f"{k}_mean": float(stats.f_oneway(*(part[k] for part in parts.values())).pvalue)
                for k in ("age", "bmi", "t")
            },
            "men": float(stats.chi2_contingency(pd.crosstab(rows["site"], rows["men"])).pvalue),
            "class": float(stats.chi2_contingency(pd.crosstab(rows["site"], rows["class"])).pvalue),
        }
    return table


def _line(part: pd.DataFrame) -> dict[str, float]:
    return {
        "n": len(part),
        "age_mean": float(part["age"].mean()),
        "age_sd": float(part["age"].std()),
        "men": int(part["men"].sum()),
        "bmi_mean": float(part["bmi"].mean()),
        "bmi_sd": float(part["bmi"].std()),
        "t_mean": float(part["t"].mean()),
        "t_sd": float(part["t"].std()),
        **{str(name): int((part["class"] == str(name)).sum()) for name in BMD_CLASSES},
    }


def _population_checks(studies: Sequence[Study], sites: dict[str, dict[str, float]]) -> list[Check]:
    total, paper = sites["total"], TABLE_1["total"]
    n, source = total["n"], "Mao 2022, Table 1"
    checks = [
        Check("mean age, years", total["age_mean"], paper["age_mean"] - 1.0, paper["age_mean"] + 1.0, source),
        Check("SD of age, years", total["age_sd"], paper["age_sd"] - 1.0, paper["age_sd"] + 1.0, source),
        Check("share of men, %", 100 * total["men"] / n, 27.0, 35.0, source),
        Check("mean BMI, kg/m2", total["bmi_mean"], paper["bmi_mean"] - 0.4, paper["bmi_mean"] + 0.4, source),
        Check("SD of BMI, kg/m2", total["bmi_sd"], paper["bmi_sd"] - 0.4, paper["bmi_sd"] + 0.4, source),
        Check("mean T-score", total["t_mean"], paper["t_mean"] - 0.2, paper["t_mean"] + 0.2, source),
    ]
    for name in BMD_CLASSES:
        share = 100 * paper[str(name)] / paper["n"]
        checks.append(Check(f"{name}, %", 100 * total[str(name)] / n, share - 4.5, share + 4.5, source))
    for trait, p in sites.get("p", {}).items():
        checks.append(
            Check(f"sites alike in {trait.removesuffix('_mean')}, p", p, 0.01, 1.0, "Mao 2022: no difference")
        )
    return checks


def _bone_checks(truth: pd.DataFrame, adults: pd.DataFrame) -> list[Check]:
    checks = []
    for sex, (mean, sd) in REFERENCES[YOUNG_CHINESE].items():
        own = adults[adults["sex"] == str(sex)]["bmd_g_cm2"]
        word = "women" if sex is Sex.FEMALE else "men"
        source = "Lynn 2005" if sex is Sex.FEMALE else "Tan 2007"
        checks.append(
            Check(f"young {word}: mean areal BMD, g/cm2", float(own.mean()), mean - 0.04, mean + 0.04, source)
        )
        checks.append(Check(f"young {word}: SD of areal BMD, g/cm2", float(own.std()), sd - 0.03, sd + 0.03, source))
    women = truth[truth["sex"] == "F"]
    old = women[women["age_years"] >= 60]["bmd_g_cm2"]
    mean, sd = WOMEN_FROM_60_BMD
    checks += [
        Check("women from 60: mean areal BMD, g/cm2", float(old.mean()), mean - 0.06, mean + 0.06, "PMC9403581"),
        Check("women from 60: SD of areal BMD, g/cm2", float(old.std()), sd - 0.03, sd + 0.03, "PMC9403581"),
    ]
    young = adults[adults["sex"] == "F"]["bmd_g_cm2"].mean()
    at_70 = women[women["age_years"].between(65, 75)]["bmd_g_cm2"].mean()
    share = truth["posterior_share"].mean()
    r = float(np.corrcoef(truth["vbmd_mg_cm3"], truth["bmd_g_cm2"])[0, 1])
    checks += [
        Check("women of 65-75 against young, %", float(100 * (at_70 / young - 1)), -30, -16, "Lynn 2005: -23 at 70"),
        Check("mineral in posterior elements, %", float(100 * share), 46, 56, "Lee 2009: 51.4 (SD 4.2)"),
        Check("correlation of vBMD and areal BMD", r, 0.70, 0.90, "published 0.7 to 0.9"),
    ]
    return checks


def reader_overlap(path: Path) -> float:
    """Mean intersection over union of every two readers' boxes of the same level; NaN without the table."""
    if not path.is_file():
        return float("nan")
    table = pd.read_csv(path)
    corners = ["x0", "y0", "x1", "y1"]
    keys = ["study_uid", "view", "level"]
    wide = [part.set_index(keys)[corners] for _, part in table.groupby("reader")]
    shared = wide[0].index
    for part in wide[1:]:
        shared = shared.intersection(part.index)
    boxes: npt.NDArray[np.float64] = np.stack([part.loc[shared].to_numpy() for part in wide])
    return float(np.mean([_overlaps(boxes[a], boxes[b]).mean() for a in range(len(boxes)) for b in range(a)]))


def _overlaps(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Row-wise intersection over union of boxes (n, 4)."""
    sides = (np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])).clip(0)
    shared = sides.prod(1)
    areas = [(box[:, 2:] - box[:, :2]).prod(1) for box in (a, b)]
    return np.asarray(shared / (areas[0] + areas[1] - shared))
