"""The whole evaluation on made-up results: perfect, chance, one class, missing sides; and its report."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from classify.inputs import PAIRS, SIX
from cli.main import app
from cohort.bmd import BMD_CLASSES, BmdClass, classify_t_score
from cohort.covariates import Covariates
from cohort.rejection_codes import RejectionCode
from osteolens.errors import ReadError
from pipeline.evaluation.classification.metrics import ClassificationMetrics
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.evaluation import Evaluation
from pipeline.evaluation.report.page import write_evaluation
from pipeline.evaluation.report.tables import published_tables
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.evaluation.studies.datasets import ALL
from pipeline.evaluation.studies.results import load_predictions
from pipeline.evaluation.tables.classification import auc_label
from pipeline.prediction import Prediction, Rejection
from tests import EXAMPLES
from tests.predictions import MODEL, save

NAMES = [c.value for c in BMD_CLASSES]
QUICK = EvaluationConfig(bootstrap_draws=20)


def folder(root: Path, count: int, sharpness: float, seed: int = 0) -> tuple[Path, Path]:
    """Results and a cohort: probabilities lean to the truth by a sharpness; every 25th study is rejected."""
    rng = np.random.default_rng(seed)
    t_scores = rng.normal(-1.8, 1.5, count).clip(-8, 8).round(2)
    labels = [NAMES.index(classify_t_score(t).value) for t in t_scores]
    predictions = []
    for k in range(count):
        logits = rng.normal(0, 1, 3) + sharpness * np.eye(3)[labels[k]]
        probabilities = np.exp(logits) / np.exp(logits).sum()
        estimate = float(t_scores[k] + rng.normal(0, 0.5))
        predictions.append(made_up(k, probabilities.tolist(), estimate))
    save(root / "out", predictions)
    (root / "cohort").mkdir()
    table = pd.DataFrame(
        {
            "study_uid": [f"s{k}" for k in range(count)],
            "patient_id": [f"p{k}" for k in range(count)],
            "site": np.where(np.arange(count) % 2, "test1", "test2"),
            "machine": np.where(np.arange(count) % 3, "A", "B"),
            "age_years": rng.uniform(50, 90, count).round(1),
            "sex": rng.choice(["F", "M"], count),
            "bmi_kg_m2": rng.normal(24, 3, count).round(1),
            "t_score": t_scores,
        }
    )
    table.to_csv(root / "cohort" / "cohort.csv", index=False)
    return root / "out", root / "cohort"


def made_up(k: int, probabilities: list[float], estimate: float) -> Prediction:
    plain = Prediction(study_uid=f"s{k}", patient_id=f"p{k}", model=MODEL, covariates=Covariates())
    if k % 25 == 24:
        return replace(plain, rejection=Rejection(RejectionCode.TOO_FEW_LEVELS, "metal"))
    by_class = dict(zip(BMD_CLASSES, probabilities, strict=True))
    likely = max(by_class, key=lambda c: by_class[c])
    return replace(plain, bmd_class=likely, probabilities=by_class, t_score=estimate)


def rewrite(out: Path, change: Callable[[Prediction], Prediction]) -> None:
    save(out, [change(prediction) for prediction in load_predictions(out)])


def of(evaluation: Evaluation, dataset: str = ALL) -> ClassificationMetrics:
    found = evaluation.datasets[dataset].classification
    assert found is not None
    return found


def test_perfect_results(tmp_path: Path) -> None:
    found = evaluate(*folder(tmp_path, 100, 60.0), QUICK)
    everyone, metrics = found.overall, of(found)
    assert (everyone.studies, everyone.rejected) == (100, 4)
    assert np.trace(metrics.confusion) == np.sum(metrics.confusion) == 96
    for own in metrics.classes.values():
        assert own.auc.value == own.auc.high == 1 and own.auc.low > 0.8 and own.sensitivity.value == own.ppv.value == 1
    assert metrics.macro_auc == Estimate(1, 1, 1)
    intention = everyone.intention_to_diagnose
    assert intention is not None and intention.without_class.value == 0.04
    assert intention.not_called.specificity.value == intention.referred.sensitivity.value == 1
    osteoporotic = metrics.classes[BmdClass.OSTEOPOROSIS].cases
    expected = osteoporotic / (osteoporotic + intention.osteoporosis_without_class)
    assert intention.not_called.sensitivity.value == pytest.approx(expected)


def test_chance_and_subgroups(tmp_path: Path) -> None:
    found = evaluate(*folder(tmp_path, 600, 0.0), QUICK)
    assert of(found).macro_auc.value == pytest.approx(0.5, abs=0.06)
    groups = {(own.kind, own.group): own for own in found.subgroups}
    assert groups["sex", "women"].studies + groups["sex", "men"].studies == 576
    assert groups["radiography system", "A"].studies + groups["radiography system", "B"].studies == 576
    assert {group for kind, group in groups if kind == "age"} == {"50-59", "60-69", "70-79", "80+"}
    assert set(found.population_p) == {"age_years", "bmi_kg_m2", "t_score", "sex", "bmd_class"}
    assert set(found.datasets) == {"test1", "test2", ALL} and found.overall is found.datasets[ALL]
    many = evaluate(tmp_path / "out", tmp_path / "cohort", EvaluationConfig(fewest_cases=10_000))
    assert all(own.auc is None for own in many.subgroups) and any(own.auc is not None for own in found.subgroups)


def test_settings_change_the_bootstrap_and_the_second_operating_point(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 60, 1.0)
    one, other = (evaluate(out, cohort, replaced) for replaced in (QUICK, QUICK.model_copy(update={"seed": 7})))
    assert of(one).macro_auc.value == of(other).macro_auc.value and of(one).macro_auc.low != of(other).macro_auc.low
    sharp = evaluate(out, cohort, QUICK.model_copy(update={"sensitivity": 0.5}))
    thresholds = [found.overall.operating_points[1].threshold for found in (one, sharp)]
    assert None not in thresholds and thresholds[1] > thresholds[0]  # type: ignore[operator]


def test_a_class_that_nobody_has_is_named_and_the_rest_evaluated(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 60, 3.0)
    table = pd.read_csv(cohort / "cohort.csv")
    table["t_score"] = table["t_score"].clip(lower=-2.0)
    table.to_csv(cohort / "cohort.csv", index=False)
    found = evaluate(out, cohort, QUICK)
    assert found.not_evaluated.classes_absent == (BmdClass.OSTEOPOROSIS,)
    assert np.isnan(of(found).classes[BmdClass.OSTEOPOROSIS].auc.value)
    assert np.isfinite(of(found).classes[BmdClass.NORMAL].auc.value)
    write_evaluation(tmp_path / "report", found, "made up")
    assert "No study is osteoporosis" in (tmp_path / "report" / "report.html").read_text()


def test_both_sides_without_the_other_are_counted(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 40, 2.0)
    table = pd.read_csv(cohort / "cohort.csv")
    ghosts = table.iloc[:3].assign(study_uid=["g1", "g2", "g3"], patient_id=["g1", "g2", "g3"])
    pd.concat([table.iloc[5:], ghosts]).to_csv(cohort / "cohort.csv", index=False)
    missing = evaluate(out, cohort, QUICK).not_evaluated
    assert missing.predictions_without_dxa.count == 5
    assert asdict(missing.dxa_without_prediction) == {"count": 3, "first": ("g1", "g2", "g3")}


def test_other_sites_are_not_missing_where_one_is_evaluated(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 40, 2.0)
    assert evaluate(out, cohort, QUICK, "test1").not_evaluated.dxa_without_prediction.count == 0


def test_sites_that_nobody_has_are_named_beside_those_that_are_there(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 40, 2.0)
    notes = evaluate(out, cohort, QUICK, "test1, Test2").table_notes
    assert notes[0] == "no study is of site Test2; found test1, test2"
    for site in ("TEST1", ",", ""):
        with pytest.raises(ReadError, match=f"no study is of site '{site}' by .*; sites with results are test1, test2"):
            evaluate(out, cohort, QUICK, site)
    table = pd.read_csv(cohort / "cohort.csv")
    table.iloc[[0]].assign(study_uid="x", patient_id="x", site="far").to_csv(
        cohort / "cohort.csv", index=False, mode="a", header=False
    )
    with pytest.raises(ReadError, match="none of 1 studies of site 'far' has a result"):
        evaluate(out, cohort, QUICK, "far")


@pytest.mark.parametrize("place", ["out", "out/studies", "out/studies/new", "out/overlays", "cohort"])
def test_a_report_takes_no_folder_of_results_or_radiographs(tmp_path: Path, place: str) -> None:
    out, cohort = folder(tmp_path, 40, 2.0)
    (out / "report.html").write_text("of the run")
    done = CliRunner().invoke(app, ["evaluate", str(out), str(cohort), "--out", str(tmp_path / place)])
    assert done.exit_code == 1 and "expected a folder of its own, such as --out" in " ".join(done.stderr.split())
    assert (out / "report.html").read_text() == "of the run" and not (cohort / "report.html").exists()


def test_one_object_feeds_json_tables_and_page(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 80, 1.0)
    found = evaluate(str(out), str(cohort), QUICK)
    assert {"normal", "osteopenia", "osteoporosis", "classification", "detection", "subgroups", "population"} <= set(
        found.tables
    )
    table = found.tables["osteoporosis"].set_index("dataset")
    document = json.loads(json.dumps(found.as_json()))["datasets"][ALL]["classification"]["classes"]["osteoporosis"]
    assert table.loc[ALL, "studies"] == document["studies"] == 77
    auc = document["auc"]
    assert table.loc[ALL, auc_label()] == f"{auc['value']:.3f} ({auc['low']:.3f}-{auc['high']:.3f})"
    terminal = CliRunner().invoke(app, ["evaluate", str(out), str(cohort), "--set", "bootstrap_draws=20"]).stdout
    assert (
        "T-score: limit of agreement, low" in terminal and "t_score" not in terminal and "not_estimable" not in terminal
    )


def test_evaluation_loads_no_model(tmp_path: Path) -> None:
    code = (
        "import sys, pipeline.evaluation.evaluate, pipeline.evaluation.report.page\n"
        "names = ('onnxruntime', 'torch', 'detect', 'pipeline.screening', 'classify.classifier')\n"
        "print([name for name in names if name in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_command_writes_a_page_tables_and_figures(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 120, 1.5)
    done = CliRunner().invoke(app, ["evaluate", str(out), str(cohort), "--out", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "r" / "report.html").read_text()
    for words in ("Table 1", "Table 2", "Table 3", "ROC curves", "(0.909-0.950)", "TRIPOD+AI", "<svg"):
        assert words in page, words
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    tables = {path.stem for path in (tmp_path / "r" / "tables").glob("*.csv")}
    assert {"population", "table_2_images", "table_3_confusion", "subgroups"} <= tables
    assert {"roc_all.svg", "roc_test1.png", "decision_test2.svg"} <= {
        path.name for path in (tmp_path / "r" / "figures").iterdir()
    }
    document = json.loads((tmp_path / "r" / "evaluation.json").read_text())
    assert document["datasets"]["test1"]["studies"] == 60
    done = CliRunner().invoke(app, ["evaluate", str(out), str(cohort), "--out", str(tmp_path / "r"), "--site", "x"])
    assert done.exit_code == 1 and "no study is of site" in done.stderr


def test_ten_thousand_predictions_are_quick(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 10_000, 1.0)
    started = time.perf_counter()
    evaluate(out, cohort, EvaluationConfig(bootstrap_draws=200))
    assert time.perf_counter() - started < 20


def test_the_loss_of_auc_is_split_between_the_stages(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    out, cohort = folder(tmp_path / "a", 300, 1.0)
    manual, _ = folder(tmp_path / "b", 300, 2.5)
    (out / "studies" / "s0.json").unlink()
    found = evaluate(out, cohort, QUICK, manual_results=manual).overall.stage_attribution
    assert found is not None
    assert (found.manual.studies, found.manual_passed.studies, found.detected.studies) == (287, 287, 287)
    assert found.manual_passed.auc.value > 0.9 > found.detected.auc.value
    gap = found.detected.auc.value - found.manual_passed.auc.value
    assert found.difference.value == pytest.approx(gap) and found.difference.high < 0 and found.p < 0.001
    assert 0 < found.reclassified < 287
    same = evaluate(out, cohort, QUICK, manual_results=out).overall.stage_attribution
    assert same is not None and same.reclassified == 0 and same.difference == Estimate(0, 0, 0)
    places = ["--out", str(tmp_path / "r"), "--manual-results", str(manual), "--site", "test1,test2"]
    done = CliRunner().invoke(app, ["evaluate", str(out), str(cohort), *places])
    assert done.exit_code == 0, done.output
    assert "Stage attribution" in (tmp_path / "r" / "report.html").read_text("utf-8")
    table = pd.read_csv(tmp_path / "r" / "tables" / "stage_attribution.csv")
    assert list(table["dataset"].unique()) == ["test1", "test2", "all"] and len(table) == 9


def test_a_cohort_is_screened_and_evaluated_in_one_command(tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = CliRunner().invoke(app, ["validate", str(EXAMPLES), "--out", str(report), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (
        found["studies"] == 4
        and found["datasets"]["validation"]["studies"] == 2
        and found["detection"]["both_views"]["mean_iou"] > 0.8
    )
    page = (report / "report.html").read_text("utf-8")
    assert "Stage attribution" in page and "Detection by site" in page and "In-silico" in page
    assert len(load_predictions(report / "manual")) == 6
    one = load_predictions(report / "screened")[0]
    assert set(one.input_ablation) == {model.name for model in SIX}
    assert one.input_ablation["ap-lat-covariates"] == one.probabilities != one.input_ablation["ap-lat-images"]
    done = CliRunner().invoke(app, ["validate", str(EXAMPLES), "--out", str(report), "--site", "nowhere"])
    assert "of this site; found" in done.stderr


def test_the_papers_layout_has_its_tables_with_its_lines_beside_ours(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 200, 2.0)
    found = evaluate(out, cohort, QUICK)
    tables = published_tables(found)
    assert [name for name, table in tables.items() if len(table)] == [
        "table_1_population",
        "table_2_images",
        "table_3_confusion",
    ], "no covariate was used"
    lines = tables["table_2_images"]
    paper = lines[(lines["dataset"] == "test1") & (lines["by"] == "the paper")]
    assert list(paper["projection"]) == ["AP", "LAT", "AP and LAT"] and set(paper["studies"]) == {628}
    assert paper["AUC (95 %, the paper's way)"].iloc[-1] == "0.933 (0.909-0.950)"
    matrices = tables["table_3_confusion"]
    ours = matrices[(matrices["dataset"] == "test2") & (matrices["by"] == "this run")][NAMES].to_numpy()
    assert tuple(map(tuple, ours.tolist())) == of(found, "test2").confusion
    done = CliRunner().invoke(app, ["evaluate", str(out), str(cohort), "--published"])
    assert done.exit_code == 0 and "Table 3: confusion matrices" in done.stdout and "the paper" in done.stdout


def test_parts_of_the_inputs_give_both_tables_and_paired_comparisons(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 300, 2.5)
    rng = np.random.default_rng(5)

    def ablated(prediction: Prediction) -> Prediction:
        if not prediction.probabilities:
            return prediction
        sharp = np.array(list(prediction.probabilities.values()))
        dull = 0.3 * sharp + 0.7 * rng.dirichlet((1.0, 1.0, 1.0))
        parts = {m.name: (sharp if "ap-lat" in m.name else dull).tolist() for m in SIX}
        return replace(
            prediction, input_ablation={name: dict(zip(BMD_CLASSES, p, strict=True)) for name, p in parts.items()}
        )

    rewrite(out, ablated)
    found = evaluate(out, cohort, QUICK)
    tables = published_tables(found)
    assert all(len(table) for table in tables.values())
    ours = tables["table_4_covariates"].query("by == 'this run' and dataset == 'all'")
    assert list(ours["projection"]) == ["AP", "LAT", "AP and LAT"]
    images = found.overall.input_ablation["ap-lat-images"]
    assert asdict(images.auc) == pytest.approx(asdict(of(found).classes[BmdClass.OSTEOPOROSIS].auc))
    pairs = {(pair.first, pair.second): pair for pair in found.overall.input_comparisons}
    assert list(pairs) == list(PAIRS)
    assert pairs["lat-images", "ap-lat-images"].difference.low > 0.05
    assert pairs["lat-images", "ap-lat-images"].p < 0.001
    assert pairs["ap-images", "ap-covariates"].difference == Estimate(0.0, 0.0, 0.0)
    done = CliRunner().invoke(app, ["evaluate", str(out), str(cohort), "--out", str(tmp_path / "r"), "-q"])
    assert done.exit_code == 0, done.output
    figures = {path.name for path in (tmp_path / "r" / "figures").iterdir()}
    assert {"figure_3_test1.svg", "figure_4_all.png"} <= figures
    page = (tmp_path / "r" / "report.html").read_text()
    assert "beside Table 4" in page and "As Figure 4" in page and "Paired DeLong" in page


def test_wrong_lines_and_patients_on_several_sides_are_told_and_the_rest_evaluated(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 60, 2.0)
    table = pd.read_csv(cohort / "cohort.csv", dtype=str)
    scores = ["-35" if k == 3 else "low" if k == 7 else text for k, text in enumerate(table["t_score"])]
    patients = [f"p{k // 2}" if k < 4 else f"p{k}" for k in range(60)]
    table.assign(t_score=scores, patient_id=patients).to_csv(cohort / "cohort.csv", index=False)
    halves = {f"s{k}": f"p{k // 2}" for k in range(4)}
    rewrite(out, lambda own: replace(own, patient_id=halves.get(own.study_uid, own.patient_id)))
    found = evaluate(out, cohort, QUICK)
    lost = found.not_evaluated
    assert lost.unreadable_lines.count == 2
    assert "t_score is -35, expected -9 to 9" in lost.unreadable_lines.first[0]
    assert asdict(lost.patients_of_several_sites) == {"count": 1, "first": ("p0",)}
    assert found.overall.studies == 59 and found.datasets["no site"].studies == 1
    assert lost.predictions_without_dxa.first == ("s3", "s7")
    write_evaluation(tmp_path / "r", found, "made up")
    assert "2 lines of cohort.csv cannot be read" in (tmp_path / "r" / "report.html").read_text("utf-8")
