"""The whole evaluation on made-up results: perfect, chance, one class, missing sides; and its report."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from classify.inputs import PAIRS, SIX
from cli.main import app
from cohort.bmd import BMD_CLASSES, classify_t_score
from cohort.io.tables.cohort_tables import read_cohort_csv
from pipeline.evaluation.datasets import ALL, evaluate_datasets
from pipeline.evaluation.report.tables import paper_tables
from pipeline.evaluation.report.write import report_results
from pipeline.prediction import Prediction
from tests import EXAMPLES

NAMES = [c.value for c in BMD_CLASSES]


def folder(root: Path, count: int, sharpness: float, seed: int = 0) -> tuple[Path, Path]:
    """Results and a cohort: shares lean to the truth by a sharpness; every 25th study is rejected."""
    rng = np.random.default_rng(seed)
    t_scores = rng.normal(-1.8, 1.5, count).clip(-8, 8).round(2)
    labels = [NAMES.index(classify_t_score(t).value) for t in t_scores]
    (root / "out" / "studies").mkdir(parents=True)
    (root / "cohort").mkdir()
    for k in range(count):
        logits = rng.normal(0, 1, 3) + sharpness * np.eye(3)[labels[k]]
        shares = np.exp(logits) / np.exp(logits).sum()
        rejected = k % 25 == 24
        document: dict[str, Any] = {
            "study_uid": f"s{k}",
            "patient_id": f"p{k}",
            "bmd_class": None if rejected else NAMES[int(shares.argmax())],
            "probabilities": None if rejected else dict(zip(NAMES, shares.tolist(), strict=True)),
            "t_score_estimate": None if rejected else float(t_scores[k] + rng.normal(0, 0.5)),
            "prediction_set": [],
            "decision": None,
            "views": {},
            "covariates": {},
            "warnings": [],
            "rejection": {"code": "implant", "reason": "metal"} if rejected else None,
            "model": {},
        }
        (root / "out" / "studies" / f"s{k}.json").write_text(json.dumps(document))
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


def evaluated(out: Path, cohort: Path, draws: int = 50) -> dict[str, Any]:
    documents = [json.loads(path.read_text()) for path in sorted((out / "studies").glob("*.json"))]
    return evaluate_datasets(documents, read_cohort_csv(cohort / "cohort.csv"), documents, draws)


def test_perfect_results(tmp_path: Path) -> None:
    found = evaluated(*folder(tmp_path, 100, 60.0))
    whole = found["datasets"][ALL]
    assert (whole["studies"], whole["rejected"]) == (100, 4)
    assert np.trace(whole["confusion"]) == sum(map(sum, whole["confusion"])) == 96
    for row in whole["classes"].values():
        assert row["auc"] == [1, 1, 1] and row["sensitivity"][0] == row["ppv"][0] == 1
    assert whole["macro_auc"] == [1, 1, 1]
    screened = whole["intention_to_diagnose"]
    assert screened["rejected"][0] == 0.04 and screened["specificity"][0] == 1
    osteoporotic = whole["classes"]["osteoporosis"]["cases"]
    expected = osteoporotic / (osteoporotic + screened["osteoporosis_among_refused"])
    assert screened["sensitivity"][0] == pytest.approx(expected)


def test_chance_and_subgroups(tmp_path: Path) -> None:
    found = evaluated(*folder(tmp_path, 600, 0.0))
    assert found["datasets"][ALL]["macro_auc"][0] == pytest.approx(0.5, abs=0.06)
    groups = {(row["kind"], row["group"]): row for row in found["subgroups"]}
    assert groups["sex", "women"]["studies"] + groups["sex", "men"]["studies"] == 576
    assert groups["machine", "A"]["studies"] + groups["machine", "B"]["studies"] == 576
    assert {group for kind, group in groups if kind == "age"} == {"50-59", "60-69", "70-79", "80+"}
    assert set(found["population_p"]) == {"age_years", "bmi_kg_m2", "sex", "bmd_class"}
    assert set(found["datasets"]) == {"test1", "test2", ALL}


def test_a_class_that_nobody_has_is_named_and_the_rest_judged(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 60, 3.0)
    table = pd.read_csv(cohort / "cohort.csv")
    table["t_score"] = table["t_score"].clip(lower=-2.0)
    table.to_csv(cohort / "cohort.csv", index=False)
    found = evaluated(out, cohort)
    assert found["not_judged"]["classes_absent"] == ["osteoporosis"]
    assert "auc" not in found["datasets"][ALL]["classes"]["osteoporosis"]
    assert "auc" in found["datasets"][ALL]["classes"]["normal"]
    report_results(out, cohort, tmp_path / "report")
    assert "No study is osteoporosis" in (tmp_path / "report" / "report.html").read_text()


def test_both_sides_without_the_other_are_counted(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 40, 2.0)
    table = pd.read_csv(cohort / "cohort.csv")
    ghosts = table.iloc[:3].assign(study_uid=["g1", "g2", "g3"], patient_id=["g1", "g2", "g3"])
    pd.concat([table.iloc[5:], ghosts]).to_csv(cohort / "cohort.csv", index=False)
    missing = evaluated(out, cohort)["not_judged"]
    assert missing["predictions_without_truth"]["count"] == 5
    assert missing["truth_without_predictions"] == {"count": 3, "first": ["g3", "g2", "g1"]}


def test_other_sites_are_not_missing_where_one_is_judged(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 40, 2.0)
    lost = report_results(out, cohort, None, "test1")["not_judged"]["truth_without_predictions"]
    assert lost == {"count": 0, "first": []}


def test_the_command_writes_a_page_tables_and_figures(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 120, 1.5)
    done = CliRunner().invoke(app, ["evaluate", str(out), str(cohort), "--out", str(tmp_path / "r")])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "r" / "report.html").read_text()
    for words in ("Table 1", "Table 2", "Table 3", "ROC curves", "0.933 (0.909-0.950)", "TRIPOD+AI", "<svg"):
        assert words in page, words
    assert "http://" not in page.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )
    tables = {path.stem for path in (tmp_path / "r" / "tables").glob("*.csv")}
    assert {"table_1_population", "table_2_images", "table_3_confusion", "subgroups"} <= tables
    assert {"roc_all.svg", "roc_test1.png", "decision_test2.svg"} <= {
        path.name for path in (tmp_path / "r" / "figures").iterdir()
    }
    document = json.loads((tmp_path / "r" / "evaluation.json").read_text())
    assert document["datasets"]["test1"]["studies"] == 60
    done = CliRunner().invoke(app, ["evaluate", str(out), str(cohort), "--out", str(tmp_path / "r"), "--site", "x"])
    assert done.exit_code == 1 and "no study is of site" in done.stderr


def test_ten_thousand_predictions_are_quick(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 10_000, 1.0)
    documents = [json.loads(path.read_text()) for path in (out / "studies").glob("*.json")]
    rows = read_cohort_csv(cohort / "cohort.csv")
    started = time.perf_counter()
    evaluate_datasets(documents, rows, documents, 200)
    assert time.perf_counter() - started < 20


def test_the_loss_is_split_between_the_stages(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    out, cohort = folder(tmp_path / "a", 300, 1.0)
    by_hand, _ = folder(tmp_path / "b", 300, 2.5)
    rows = read_cohort_csv(cohort / "cohort.csv")
    detected, drawn = ([json.loads(p.read_text()) for p in (f / "studies").glob("*.json")] for f in (out, by_hand))
    detected = [d for d in detected if d["study_uid"] != "s0"]
    whole = evaluate_datasets(detected, rows, detected, 20, drawn=drawn)["stages"][ALL]
    assert (whole["drawn"]["studies"], whole["drawn_passed"]["studies"], whole["detected"]["studies"]) == (
        287,
        287,
        287,
    )
    assert whole["drawn_passed"]["auc"][0] > 0.9 > whole["detected"]["auc"][0]
    gap = whole["detected"]["auc"][0] - whole["drawn_passed"]["auc"][0]
    assert whole["difference"][0] == pytest.approx(gap) and whole["difference"][2] < 0 and whole["p"] < 0.001
    assert 0 < whole["changed_class"] < 287
    same = evaluate_datasets(detected, rows, detected, 20, drawn=detected)["stages"][ALL]
    assert same["changed_class"] == 0 and same["difference"] == [0, 0, 0]
    done = CliRunner().invoke(
        app,
        [
            "evaluate",
            str(out),
            str(cohort),
            "--out",
            str(tmp_path / "r"),
            "--drawn",
            str(by_hand),
            "--site",
            "test1,test2",
        ],
    )
    assert done.exit_code == 0, done.output
    assert "Where the loss comes from" in (tmp_path / "r" / "report.html").read_text("utf-8")
    table = pd.read_csv(tmp_path / "r" / "tables" / "stages.csv")
    assert list(table["dataset"].unique()) == ["test1", "test2", "all"] and len(table) == 9


def test_a_cohort_is_screened_and_judged_in_one_command(tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = CliRunner().invoke(app, ["evaluate", str(EXAMPLES), "--out", str(report), "--json"])
    assert done.exit_code == 0, done.output
    figures = json.loads(done.stdout)
    assert figures["studies"] == 6 and figures["mean_iou"] > 0.8
    page = (report / "report.html").read_text("utf-8")
    assert "Where the loss comes from" in page and "Detection" in page and "In-silico" in page
    assert len(list((report / "drawn" / "studies").glob("*.json"))) == 6
    one = json.loads(next((report / "screened" / "studies").glob("*.json")).read_text("utf-8"))
    assert set(one["input_ablation"]) == {model.name for model in SIX}
    assert one["input_ablation"]["ap-lat-covariates"] == one["probabilities"] != one["input_ablation"]["ap-lat-images"]
    Prediction.from_json(one)
    assert (
        "of this site; found"
        in CliRunner().invoke(app, ["evaluate", str(EXAMPLES), "--out", str(report), "--site", "nowhere"]).stderr
    )


def test_the_papers_layout_has_its_tables_with_its_lines_beside_ours(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 200, 2.0)
    found = evaluated(out, cohort, 20)
    assert found["paper_table"] == 2, "no covariate was used"
    tables = paper_tables(found)
    titles = ["Table 1: population", "Table 2: osteoporosis, images alone", "Table 3: confusion matrices"]
    assert list(tables) == titles
    lines = tables[titles[1]]
    theirs = lines[(lines["dataset"] == "test1") & (lines["by"] == "the paper")]
    assert list(theirs["projection"]) == ["AP", "LAT", "AP and LAT"] and set(theirs["studies"]) == {628}
    assert theirs["AUC (95 %, the paper's way)"].iloc[-1] == "0.933 (0.909-0.950)"
    matrices = tables["Table 3: confusion matrices"]
    ours = matrices[(matrices["dataset"] == "test2") & (matrices["by"] == "this run")][NAMES].to_numpy()
    assert ours.tolist() == found["datasets"]["test2"]["confusion"]
    done = CliRunner().invoke(app, ["evaluate", str(out), str(cohort), "--paper"])
    assert done.exit_code == 0 and "Table 3: confusion matrices" in done.stdout and "the paper" in done.stdout


def test_parts_of_the_inputs_give_both_tables_and_paired_comparisons(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 300, 2.5)
    rng = np.random.default_rng(5)
    for path in (out / "studies").glob("*.json"):
        document = json.loads(path.read_text())
        if document["probabilities"] is not None:
            sharp = np.array([document["probabilities"][name] for name in NAMES])
            dull = 0.3 * sharp + 0.7 * rng.dirichlet((1.0, 1.0, 1.0))
            document["input_ablation"] = {
                model.name: dict(zip(NAMES, (sharp if "ap-lat" in model.name else dull).tolist(), strict=True))
                for model in SIX
            }
            path.write_text(json.dumps(document))
    found = evaluated(out, cohort, 20)
    tables = paper_tables(found)
    assert len(tables) == 4
    ours = tables["Table 4: osteoporosis, with age, sex and BMI"].query("by == 'this run' and dataset == 'all'")
    assert list(ours["projection"]) == ["AP", "LAT", "AP and LAT"]
    whole = found["datasets"][ALL]
    assert whole["input_ablation"]["ap-lat-images"]["auc"] == pytest.approx(whole["classes"]["osteoporosis"]["auc"])
    pairs = {(pair["first"], pair["second"]): pair for pair in whole["comparisons"]}
    assert list(pairs) == list(PAIRS)
    assert pairs["lat-images", "ap-lat-images"]["difference"][1] > 0.05
    assert pairs["lat-images", "ap-lat-images"]["p"] < 0.001
    assert pairs["ap-images", "ap-covariates"]["difference"] == [0.0, 0.0, 0.0]
    done = CliRunner().invoke(app, ["evaluate", str(out), str(cohort), "--out", str(tmp_path / "r"), "-q"])
    assert done.exit_code == 0, done.output
    drawn = {path.name for path in (tmp_path / "r" / "figures").iterdir()}
    assert {"figure_3_test1.svg", "figure_4_all.png"} <= drawn
    page = (tmp_path / "r" / "report.html").read_text()
    assert "Table 4. Osteoporosis" in page and "its Figure 4" in page and "Paired DeLong" in page


def test_wrong_lines_and_patients_on_several_sides_are_told_and_the_rest_judged(tmp_path: Path) -> None:
    out, cohort = folder(tmp_path, 60, 2.0)
    table = pd.read_csv(cohort / "cohort.csv").astype({"t_score": object})
    table.loc[[3, 7], "t_score"] = [-35, "low"]
    table.loc[:, "patient_id"] = [f"p{k // 2}" if k < 4 else f"p{k}" for k in range(60)]
    table.to_csv(cohort / "cohort.csv", index=False)
    for k in range(4):
        path = out / "studies" / f"s{k}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "patient_id": f"p{k // 2}"}))
    report_results(out, cohort, tmp_path / "r")
    found = json.loads((tmp_path / "r" / "evaluation.json").read_text())
    lost = found["not_judged"]
    assert (
        lost["unreadable_lines"]["count"] == 2
        and "t_score is -35, expected -9 to 9" in lost["unreadable_lines"]["first"][0]
    )
    assert lost["patients_of_several_sites"] == {"count": 1, "first": ["p0"]}
    assert found["datasets"][ALL]["studies"] == 60 and lost["predictions_without_truth"]["first"] == ["s7"]
    assert "2 lines of cohort.csv cannot be read" in (tmp_path / "r" / "report.html").read_text("utf-8")
    done = CliRunner().invoke(app, ["evaluate", str(out), str(cohort), "--json"])
    assert json.loads(done.stdout)["unreadable_lines"] == 2
