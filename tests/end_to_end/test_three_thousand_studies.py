"""A cohort of 3,000 studies with every complication: figures against a recomputation that shares no code with them."""

from __future__ import annotations

import datetime
import json
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.optimize import minimize
from sklearn.metrics import brier_score_loss, cohen_kappa_score, roc_auc_score

from classify.calibration import Decision
from cohort.bmd import BMD_CLASSES
from cohort.covariates import Covariates, Sex
from cohort.rejection_codes import RejectionCode
from osteolens.documents.json_document import json_ready
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.evaluate import evaluate
from pipeline.prediction import Prediction, Rejection
from tests.predictions import MODEL, save

COUNT = 3000
NAMES = [c.value for c in BMD_CLASSES]
YOUNG, FAR = "younger than 50 years", "DXA more than 90 days away"
MEAN, SD = 0.99, 0.1
PREVALENCE = 0.1
SITES = {"test1": "", "test2": "", "Bergen external": "", "all": "test", "": "test", "training": "", "B": "training"}
"""Site and the split that its lines state."""

POOLED = ("test1", "test2", "Bergen external", "all", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One study as it was made, and what is right for it.

    Attributes:
        uid: of the study.
        patient: of the study.
        site: empty where none is stated.
        cells: its line of cohort.csv; empty for a study that no line names.
        t_score: by DXA, None without.
        reason: criterion that it misses, or empty.
        fate: what becomes of it when it is screened.
        from_header: covariates that the result carries.
        probabilities: (3,) with four decimals.
        estimate: of the T-score.
        day: of the radiographs.
    """

    uid: str
    patient: str
    site: str
    cells: dict[str, str] = field(repr=False)
    t_score: float | None
    reason: str
    fate: str
    from_header: Covariates
    probabilities: npt.NDArray[np.float64]
    estimate: float
    day: datetime.date

    @property
    def counted(self) -> str:
        """What the flow should call it."""
        if self.reason:
            return "ineligible"
        return "without reference" if self.t_score is None else self.fate

    @property
    def label(self) -> int:
        """Index of the class by DXA."""
        assert self.t_score is not None
        return 2 if self.t_score <= -2.5 else 1 if self.t_score < -1 else 0


def make(seed: int = 4) -> list[Made]:
    """Studies of about 2,000 patients; a patient has one to three, some of them one at a training site too."""
    rng = np.random.default_rng(seed)
    studies: list[Made] = []
    for patient in range(1, COUNT):
        site = str(rng.choice(list(SITES), p=[0.25, 0.2, 0.1, 0.15, 0.1, 0.15, 0.05]))
        tendency = float(rng.normal(-1.8, 1.2))
        for visit in range(int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))):
            where = "training" if visit == 1 and patient % 50 == 0 else site
            day = datetime.date(2021 + visit, 3, 1)
            studies.append(_made(rng, f"s{len(studies):04d}", f"P{patient:05d}", where, tendency, day))
    studies = studies[:COUNT]
    dated = {made.uid: made.patient for made in studies if made.cells.get("dxa_date")}
    return [_with_scans_of_other_years(made, dated) for made in studies]


def _with_scans_of_other_years(made: Made, dated: dict[str, str]) -> Made:
    """A study without DXA whose patient has a scan a year away leaves for that."""
    others = any(patient == made.patient and uid != made.uid for uid, patient in dated.items())
    if not made.cells or made.t_score is not None or not others or made.reason == YOUNG:
        return made
    return replace(made, reason=FAR)


def _made(rng: np.random.Generator, uid: str, patient: str, site: str, tendency: float, day: datetime.date) -> Made:
    age, in_header = round(float(rng.uniform(47, 90)), 1), bool(rng.random() < 0.3)
    sex = str(rng.choice(["F", "M"]))
    cells = {
        "study_uid": uid,
        "patient_id": patient,
        "site": site,
        "split": SITES[site],
        "sex": sex,
        "age_years": "" if in_header else str(age),
        "bmi_kg_m2": str(round(float(np.clip(rng.normal(24, 3), 15, 40)), 1)),
        "study_date": day.isoformat(),
        "machine": str(rng.choice(["A", "B"])),
    }
    t_score, dxa = _dxa(rng, float(np.clip(tendency + rng.normal(0, 0.3), -5, 3)), f"{day.year}-02-20")
    cells |= dxa
    if "scan" in dxa:  # a patient of his own, since dxa.csv is by patient
        cells["patient_id"] = f"{patient}-{uid}"
    fates = ["evaluated", "rejected", "failed", "failed row", "damaged", "not processed"]
    fate = str(rng.choice(fates, p=[0.86, 0.05, 0.03, 0.02, 0.02, 0.02]))
    age_is_known = not in_header or fate in ("evaluated", "rejected", "failed")  # a header's age comes with the result
    reason = YOUNG if age < 50 and age_is_known else ""
    if t_score is not None and not reason and rng.random() < 0.03:
        cells["dxa_date"], reason = f"{day.year - 2}-01-01", FAR
    elif not reason and rng.random() < 0.03:
        cells["implant"], reason = "yes", "implant or cement at L1-L4"
    z = (tendency if t_score is None else t_score) + rng.normal(0, 0.9)
    logits = np.array([-abs(z) * 1.1, -abs(z + 1.75) * 1.3, -abs(z + 3.3) * 1.1])
    if rng.random() < 0.004 and fate in ("evaluated", "rejected"):  # no line names it; its header may know the age
        cells, site, t_score, patient = {}, "unknown", None, f"stranger-{uid}"
        reason = YOUNG if in_header and age < 50 else ""
    return Made(
        uid=uid,
        patient=cells["patient_id"] if cells else patient,
        site=site,
        cells=cells,
        t_score=t_score,
        reason=reason,
        fate=fate,
        from_header=Covariates(age_years=age, sex=Sex(sex)) if in_header else Covariates(),
        probabilities=np.round(np.exp(logits) / np.exp(logits).sum(), 4),
        day=day,
        estimate=round(float(np.clip(z, -9, 9)), 2),
    )


def _dxa(rng: np.random.Generator, t_score: float, day: str) -> tuple[float | None, dict[str, str]]:
    """A T-score as the tables state it: itself, BMD with its reference, levels, a scan of dxa.csv, or nothing."""
    kind = rng.choice(["score", "bmd", "levels", "scan", "none"], p=[0.5, 0.15, 0.12, 0.15, 0.08])
    if kind == "score":
        return round(t_score, 2), {"t_score": str(round(t_score, 2)), "dxa_date": day}
    if kind == "bmd":  # some of them -2.496, which rounds to the border of osteoporosis and is none
        bmd = 0.7404 if rng.random() < 0.2 else round(MEAN + SD * t_score, 4)
        reference = {"reference_mean_g_cm2": str(MEAN), "reference_sd_g_cm2": str(SD)}
        return (bmd - MEAN) / SD, {"bmd_g_cm2": str(bmd), **reference, "dxa_date": day}
    if kind == "levels":
        levels = [round(t_score + d, 1) for d in (0.1, -0.2, 0.0, 0.14)]
        return sum(levels) / 4, {f"t_score_L{k}": str(value) for k, value in enumerate(levels, 1)}
    if kind == "scan":
        return round(t_score, 2), {"scan": str(round(t_score, 2))}
    return None, {}


def written(root: Path, studies: list[Made]) -> tuple[Path, Path]:
    """Results and cohort folder."""
    out, cohort = root / "out", root / "cohort"
    cohort.mkdir(parents=True)
    lines, scans = [], []
    for made in studies:
        cells = dict(made.cells)
        scan = cells.pop("scan", None)
        if scan is not None:
            near = cells.pop("dxa_date", f"{made.day.year}-03-15")
            scans += [(made.patient, near, scan), (made.patient, "2015-01-01", "0.5")]
        if cells:
            lines.append(cells)
    assert scans
    contradicted = [made.uid for made in studies if made.site == "unknown" and int(made.uid[1:]) % 2]
    for uid in contradicted:
        lines += [{"study_uid": uid, "site": "test1", "t_score": text} for text in ("-3.0", "1.0")]
    pd.DataFrame(lines).fillna("").to_csv(cohort / "cohort.csv", index=False)
    pd.DataFrame(scans, columns=["patient_id", "dxa_date", "t_score"]).to_csv(cohort / "dxa.csv", index=False)
    save(out, [_result(made) for made in studies if made.fate in ("evaluated", "rejected", "failed")])
    for made in studies:
        if made.fate == "damaged":
            (out / "studies" / f"{made.uid}.json").write_text('{"study_uid": "' + made.uid)
    rows = [(made.uid, made.patient, "failed") for made in studies if made.fate == "failed row"]
    pd.DataFrame(rows, columns=["study_uid", "patient_id", "status"]).to_csv(out / "predictions.csv", index=False)
    return out, cohort


def _result(made: Made) -> Prediction:
    plain = Prediction(
        study_uid=made.uid, patient_id=made.patient, model=MODEL, covariates=made.from_header, study_date=made.day
    )
    if made.fate == "rejected":
        return replace(plain, rejection=Rejection(RejectionCode.EXPOSURE, "too dark"))
    if made.fate == "failed":
        return replace(plain, failure="ReadError: no image")
    likely = BMD_CLASSES[int(made.probabilities.argmax())]
    return replace(
        plain,
        bmd_class=likely,
        probabilities=dict(zip(BMD_CLASSES, made.probabilities.tolist(), strict=True)),
        t_score=made.estimate,
        prediction_set=tuple(c for c, p in zip(BMD_CLASSES, made.probabilities, strict=True) if p > 0.2),
        decision=Decision.RULED_IN if made.probabilities[2] > 0.8 else Decision.INDETERMINATE,
    )


# ---- what is right, computed anew -----------------------------------------------------------------------------------

Arrays = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def wilson(k: float, n: float) -> tuple[float, float]:
    """Newcombe's method 4, as he prints it."""
    z, p = 1.959963984540054, k / n
    q = 1 - p
    low = (2 * n * p + z * z - 1 - z * math.sqrt(z * z - 2 - 1 / n + 4 * p * (n * q + 1))) / (2 * (n + z * z))
    high = (2 * n * p + z * z + 1 + z * math.sqrt(z * z + 2 - 1 / n + 4 * p * (n * q - 1))) / (2 * (n + z * z))
    return (0.0 if p == 0 else low), (1.0 if p == 1 else high)


def fraction(right: list[bool], patients: list[str]) -> tuple[float, float, float]:
    """A fraction with its interval by patient: Wilson's for n over the design effect of Rao and Scott."""
    n, p = len(right), sum(right) / len(right)
    by_patient: dict[str, list[bool]] = {}
    for flag, patient in zip(right, patients, strict=True):
        by_patient.setdefault(patient, []).append(flag)
    groups = len(by_patient)
    if p in (0, 1):
        effect = n / groups
    else:
        between = sum((sum(flags) - p * len(flags)) ** 2 for flags in by_patient.values())
        effect = max(1.0, groups / (groups - 1) * between / n**2 * (n - 1) / (p * (1 - p)))
    return (p, *wilson(p * n / effect, n / effect))


def area(positive: Flags, scores: Arrays, patients: list[str]) -> tuple[float, float, float]:
    """AUC over all pairs, its variance by patient after Obuchowski 1997, and the interval on the logit scale."""
    events, others = scores[positive], scores[~positive]
    pairs = (events[:, None] > others[None]) + 0.5 * (events[:, None] == others[None])
    value = float(pairs.mean())
    names = np.array(patients)
    of_events, of_others = names[positive], names[~positive]
    sums = {}
    for side, who, component in (("e", of_events, pairs.mean(1)), ("o", of_others, pairs.mean(0))):
        total: dict[str, float] = Counter()  # type: ignore[assignment]
        for patient, v in zip(who, component, strict=True):
            total[patient] += v - value
        sums[side] = total
    count = len(set(patients))
    variance = 0.0
    for side, n in (("e", len(of_events)), ("o", len(of_others))):
        present = len(sums[side])
        variance += present / (present - 1) * sum(v * v for v in sums[side].values()) / n**2
    both = sum(v * sums["o"].get(patient, 0.0) for patient, v in sums["e"].items())
    variance += 2 * count / (count - 1) * both / (len(of_events) * len(of_others))
    half = 1.959963984540054 * math.sqrt(variance) / (value * (1 - value))
    centre = math.log(value / (1 - value))
    return value, 1 / (1 + math.exp(half - centre)), 1 / (1 + math.exp(-half - centre))


def same(found: dict[str, float], expected: tuple[float, float, float]) -> None:
    """An estimate of the JSON against value, low and high."""
    assert (found["value"], found["low"], found["high"]) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.fixture(scope="module")
def made() -> list[Made]:
    return make()


@pytest.fixture(scope="module")
def document(made: list[Made], tmp_path_factory: pytest.TempPathFactory) -> Any:
    out, cohort = written(tmp_path_factory.mktemp("three-thousand"), made)
    config = EvaluationConfig(bootstrap_draws=200, prevalence=PREVALENCE)
    return json.loads(json.dumps(json_ready(evaluate(out, cohort, config).as_json()), allow_nan=False))


DATASETS = {
    "training": "training",
    "B": "B",
    "no site (split unknown)": "unknown",
    "test1": "test1",
    "test2": "test2",
    "Bergen external": "Bergen external",
    'site "all"': "all",
    "no site (test)": "",
}
"""Name of each data set, and the site of its studies as they were made."""


def of_dataset(made: list[Made], name: str) -> list[Made]:
    return [m for m in made if (m.site in POOLED if name == "all" else m.site == DATASETS[name])]


def evaluated(made: list[Made], name: str) -> list[Made]:
    return [m for m in of_dataset(made, name) if m.counted == "evaluated"]


def test_data_sets_are_apart_and_the_pool_holds_test_splits_alone(document: Any) -> None:
    assert set(document["datasets"]) == {*DATASETS, "all"} and list(document["datasets"])[-1] == "all"
    assert set(document["datasets"]["all"]["parts"]) == set(DATASETS) - {"training", "B", "no site (split unknown)"}
    assert {document["datasets"][name].get("split") for name in ("training", "B")} == {"training"}


@pytest.mark.parametrize("name", [*DATASETS, "all"])
def test_every_study_is_counted_once(document: Any, made: list[Made], name: str) -> None:
    flow, studies = document["datasets"][name]["flow"], of_dataset(made, name)
    kinds = Counter(m.counted for m in studies)
    assert flow["studies"] == len(studies) and flow["patients"] == len({m.patient for m in studies})
    assert flow["ineligible"] == dict(Counter(m.reason for m in studies if m.reason))
    assert flow["without_reference"] == kinds["without reference"] and flow["not_processed"] == kinds["not processed"]
    failed = {
        "could not be screened": kinds["failed"] + kinds["failed row"],
        "its result cannot be read": kinds["damaged"],
    }
    assert flow["failed"] == {reason: count for reason, count in failed.items() if count}
    assert sum(flow["rejected"].values()) == kinds["rejected"] and flow["evaluated"] == kinds["evaluated"]
    classes = Counter(NAMES[m.label] for m in studies if m.counted == "evaluated")
    assert flow["classes"] == {c: classes[c] for c in NAMES}


@pytest.mark.parametrize("name", ["test1", "no site (test)", "training", "all"])
def test_classes_against_the_rest(document: Any, made: list[Made], name: str) -> None:
    studies = evaluated(made, name)
    found = document["datasets"][name]["classification"]
    labels, patients = np.array([m.label for m in studies]), [m.patient for m in studies]
    probabilities = np.array([m.probabilities for m in studies])
    predicted = probabilities.argmax(1)
    assert found["studies"] == len(studies) and found["patients"] == len(set(patients))
    matrix = np.zeros((3, 3), int)
    np.add.at(matrix, (labels, predicted), 1)
    assert found["confusion"] == matrix.tolist()
    same(found["accuracy"], fraction((labels == predicted).tolist(), patients))
    for k, c in enumerate(NAMES):
        own, truth, called = found["classes"][c], labels == k, predicted == k
        assert (own["studies"], own["cases"]) == (len(studies), int(truth.sum()))
        same(own["auc"], area(truth, probabilities[:, k], patients))
        sides = {"sensitivity": truth, "specificity": ~truth, "ppv": called, "npv": ~called}
        for metric, among in sides.items():
            right = (truth == called)[among].tolist()
            same(own[metric], fraction(right, [p for p, a in zip(patients, among, strict=True) if a]))
    assert found["macro_auc"]["value"] == pytest.approx(
        np.mean([roc_auc_score(labels == k, probabilities[:, k]) for k in range(3)])
    )
    assert found["macro_auc"]["low"] < found["macro_auc"]["value"] < found["macro_auc"]["high"]
    assert found["kappa"] == pytest.approx(cohen_kappa_score(labels, predicted))
    assert found["kappa_quadratic"] == pytest.approx(cohen_kappa_score(labels, predicted, weights="quadratic"))
    assert found["brier"] == pytest.approx(
        sum(brier_score_loss(labels == k, probabilities[:, k]) for k in range(3)), rel=1e-9
    )
    confidence, right = probabilities.max(1), predicted == labels
    bins = np.minimum((confidence * 15).astype(int), 14)
    gaps = [
        abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in set(bins.tolist())
    ]
    assert found["ece"] == pytest.approx(sum(gaps), abs=1e-9)


def test_t_scores_sets_and_decisions(document: Any, made: list[Made]) -> None:
    studies = evaluated(made, "all")
    found = document["datasets"]["all"]["classification"]
    truth = np.array([m.t_score for m in studies], float)
    gap = np.array([m.estimate for m in studies]) - truth
    assert found["t_score"]["mae"] == pytest.approx(np.abs(gap).mean())
    assert found["t_score"]["bias"]["value"] == pytest.approx(gap.mean())
    held = [bool(m.probabilities[m.label] > 0.2) for m in studies if (m.probabilities > 0.2).any()]
    patients = [m.patient for m in studies]
    same(found["prediction_sets"]["coverage"], fraction(held, patients))
    ruled_in = [m for m in studies if m.probabilities[2] > 0.8]
    assert found["decisions"]["rule_in"] == len(ruled_in)
    same(found["decisions"]["rule_in_ppv"], fraction([m.label == 2 for m in ruled_in], [m.patient for m in ruled_in]))


@pytest.mark.parametrize("name", ["test2", "all"])
def test_intention_to_diagnose_has_both_bounds(document: Any, made: list[Made], name: str) -> None:
    studies = [m for m in of_dataset(made, name) if m.counted not in ("ineligible", "without reference")]
    found = document["datasets"][name]["intention_to_diagnose"]
    positive = np.array([m.label == 2 for m in studies])
    lacking = np.array([m.fate != "evaluated" for m in studies])
    called = np.array([m.fate == "evaluated" and m.probabilities.argmax() == 2 for m in studies])
    patients = np.array([m.patient for m in studies])
    assert found["studies"] == len(studies) and found["evaluated"] == int((~lacking).sum())
    assert found["osteoporosis_without_class"] == int((positive & lacking).sum())
    same(found["without_class"], fraction(lacking.tolist(), patients.tolist()))
    for bound, calls in (("not_called", called), ("referred", called | lacking)):
        same(found[bound]["sensitivity"], fraction(calls[positive].tolist(), patients[positive].tolist()))
        same(found[bound]["specificity"], fraction((~calls)[~positive].tolist(), patients[~positive].tolist()))


def test_calibration(document: Any, made: list[Made]) -> None:
    studies = evaluated(made, "all")
    p = np.clip(np.array([m.probabilities[2] for m in studies]), 1e-9, 1 - 1e-9)
    y = np.array([m.label == 2 for m in studies], float)
    x = np.log(p / (1 - p))
    keep = np.isfinite(x)
    own = document["datasets"]["all"]["classification"]["calibration"]["osteoporosis"]

    def loss(b: Arrays) -> float:
        eta = b[0] + b[1] * x[keep]
        return float((np.logaddexp(0, eta) - y[keep] * eta).mean())

    def with_slope_one(intercept: Arrays) -> float:
        return loss(np.array([intercept[0], 1.0]))

    fit = minimize(loss, np.array([0.0, 1.0]), tol=1e-12)
    assert own["slope"]["value"] == pytest.approx(fit.x[1], abs=2e-3)
    offset = minimize(with_slope_one, np.array([0.0]), tol=1e-12)
    assert own["intercept"]["value"] == pytest.approx(offset.x[0], abs=2e-3)
    assert own["observed_expected"]["value"] == pytest.approx(y.sum() / p.sum(), rel=1e-3)
    assert 0 < own["ici"] < 0.2


def test_operating_points_and_predictive_values_at_a_prevalence(document: Any, made: list[Made]) -> None:
    studies = evaluated(made, "all")
    positive = np.array([m.label == 2 for m in studies])
    p = np.array([m.probabilities[2] for m in studies])
    points = document["datasets"]["all"]["operating_points"]
    most = points[0]
    called = np.array([m.probabilities.argmax() == 2 for m in studies])
    sensitivity, specificity = called[positive].mean(), (~called)[~positive].mean()
    assert most["sensitivity"]["value"] == pytest.approx(sensitivity)
    ppv = sensitivity * PREVALENCE / (sensitivity * PREVALENCE + (1 - specificity) * (1 - PREVALENCE))
    npv = specificity * (1 - PREVALENCE) / (specificity * (1 - PREVALENCE) + (1 - sensitivity) * PREVALENCE)
    at = most["at_prevalence"]
    assert (at["ppv"]["value"], at["npv"]["value"]) == pytest.approx((ppv, npv), rel=1e-9)
    assert at["ppv"]["low"] < ppv < at["ppv"]["high"] and at["npv"]["low"] < npv < at["npv"]["high"]
    threshold = next(p["threshold"] for p in points if "threshold" in p and "90" in p["name"])
    assert (p[positive] >= threshold).mean() >= 0.9 > (p[positive] > threshold).mean()


def test_decision_curve(document: Any, made: list[Made]) -> None:
    studies = evaluated(made, "all")
    positive = np.array([m.label == 2 for m in studies])
    p = np.array([m.probabilities[2] for m in studies])
    for point in document["datasets"]["all"]["classification"]["net_benefit"]:
        t = point["threshold"]
        called = p >= t
        benefit = (called & positive).mean() - (called & ~positive).mean() * t / (1 - t)
        everyone = positive.mean() - (~positive).mean() * t / (1 - t)
        assert point["model"] == pytest.approx(benefit) and point["everyone"] == pytest.approx(everyone)
        assert point["against_everyone"]["value"] == pytest.approx(benefit - everyone)


def test_subgroups(document: Any, made: list[Made]) -> None:
    studies = [m for m in evaluated(made, "all") if m.cells]
    groups = {(g["kind"], g["group"]): g for g in document["subgroups"]}
    for machine in ("A", "B"):
        members = [m for m in studies if m.cells["machine"] == machine]
        own = groups["radiography system", machine]
        positive = np.array([m.label == 2 for m in members])
        assert (own["studies"], own["cases"]) == (len(members), int(positive.sum()))
        same(own["auc"], area(positive, np.array([m.probabilities[2] for m in members]), [m.patient for m in members]))
    women = [m for m in studies if m.cells["sex"] == "F"]
    assert groups["sex", "women"]["studies"] == len(women)


def test_lines_that_contradict_each_other_are_named_and_no_truth(document: Any, made: list[Made]) -> None:
    contradicted = [m.uid for m in made if m.site == "unknown" and int(m.uid[1:]) % 2]
    assert contradicted and document["not_evaluated"]["unreadable_lines"]["count"] == len(contradicted)
    assert "different t_score" in document["not_evaluated"]["unreadable_lines"]["first"][0]


@pytest.mark.parametrize("name", ["test1", "all"])
def test_table_1_counts_patients_and_what_is_unknown(document: Any, made: list[Made], name: str) -> None:
    fates = ("evaluated", "rejected")
    members = [m for m in of_dataset(made, name) if m.fate in fates and m.counted != "ineligible"]
    found = document["datasets"][name]["population"]
    assert (found["studies"], found["patients"]) == (len(members), len({m.patient for m in members}))
    ages = [
        m.from_header.age_years if m.from_header.age_years else float(m.cells["age_years"]) for m in members if m.cells
    ]
    assert found["age_years"]["mean"] == pytest.approx(np.mean(ages))
    assert found["age_years"]["sd"] == pytest.approx(np.std(ages, ddof=1))
    scores = [m.t_score for m in members if m.t_score is not None]
    assert found["t_score"]["mean"] == pytest.approx(np.mean(scores))
    assert found["missing"]["t_score"]["studies"] == len(members) - len(scores)
    assert found["women"] == sum(m.cells["sex"] == "F" for m in members if m.cells)


def test_who_is_not_independent_is_said(document: Any, made: list[Made]) -> None:
    missing = document["not_evaluated"]
    with_result = [m for m in made if m.fate != "not processed"]
    counted = Counter(m.patient for m in with_result)
    assert missing["patients_of_several_studies"]["count"] == sum(n > 1 for n in counted.values())
    sides: dict[str, set[bool]] = {}
    for m in with_result:
        if m.site != "unknown":
            sides.setdefault(m.patient, set()).add(m.site in ("training", "B"))
    assert missing["patients_on_both_sides"]["count"] == sum(len(s) > 1 for s in sides.values())
