"""Data sets by site and split: every study in exactly one, training never pooled with test, and any name of a site."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from cohort.splits import SiteSplits, Split
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.evaluation import Evaluation
from tests.predictions import save, screened

T_SCORES = (-3.0, -2.0, 0.1, -3.1, -1.9, 0.2, -3.2, -1.8, 0.3, -3.3, -1.7, 0.4)


def run(root: Path, sites: list[str], splits: list[str] | None = None, config: EvaluationConfig | None = None,
        site: str | None = None) -> Evaluation:  # fmt: skip
    out = save(root / "out", (screened(f"s{k}", t) for k, t in enumerate(T_SCORES)))
    (root / "cohort").mkdir(exist_ok=True)
    uids = [f"s{k}" for k in range(len(T_SCORES))]
    table = pd.DataFrame({"study_uid": uids, "patient_id": [f"p-{uid}" for uid in uids], "t_score": T_SCORES})
    table["site"] = [sites[k % len(sites)] for k in range(len(uids))]
    if splits is not None:
        table["split"] = [splits[k % len(splits)] for k in range(len(uids))]
    table.to_csv(root / "cohort" / "cohort.csv", index=False)
    return evaluate(out, root / "cohort", config or EvaluationConfig(bootstrap_draws=20), site)


def counts(evaluation: Evaluation) -> dict[str, int]:
    return {name: dataset.studies for name, dataset in evaluation.datasets.items()}


def test_studies_without_a_site_are_a_data_set_of_their_own(tmp_path: Path) -> None:
    evaluation = run(tmp_path, ["hospital", ""])
    assert counts(evaluation) == {"hospital": 6, "no site": 6, "all": 12}
    assert evaluation.overall.parts == ("hospital", "no site") and evaluation.overall.studies == 12


def test_training_and_test_are_never_pooled(tmp_path: Path) -> None:
    evaluation = run(tmp_path, ["training", "test1", "test2", "validation"])
    assert counts(evaluation) == {"training": 3, "validation": 3, "test1": 3, "test2": 3, "all": 6}
    assert evaluation.overall.split is Split.TEST and evaluation.overall.parts == ("test1", "test2")
    assert evaluation.datasets["training"].split is Split.TRAINING
    assert {len(group) for group in (evaluation.errors,)} == {0}
    assert sum(group.studies for group in evaluation.subgroups if group.kind == "sex") <= 6


def test_the_column_and_the_setting_say_what_a_site_is_for(tmp_path: Path) -> None:
    by_column = run(tmp_path, ["A", "B"], ["training", "test"])
    assert counts(by_column) == {"A": 6, "B": 6} and by_column.overall.split is Split.TEST
    inside = run(tmp_path, ["A"], ["training", "test", "test"])
    assert counts(inside) == {"A (training)": 4, "A (test)": 8}
    sites = SiteSplits(test=("B",))
    by_setting = run(tmp_path, ["A", "B"], config=EvaluationConfig(bootstrap_draws=20, sites=sites))
    assert counts(by_setting) == {"A": 6, "B": 6} and by_setting.overall is by_setting.datasets["B"]


def test_sites_may_have_any_name(tmp_path: Path) -> None:
    evaluation = run(tmp_path, ["all", "no site", ""])
    assert counts(evaluation) == {'site "all"': 4, 'site "no site"': 4, "no site": 4, "all": 12}


@pytest.mark.parametrize("site", ["test1", "test1, test2"])
def test_chosen_sites_alone_are_counted(tmp_path: Path, site: str) -> None:
    evaluation = run(tmp_path, ["test1", "test2", "test3"], site=site)
    assert evaluation.overall.studies == 4 * len(site.split(","))
    assert evaluation.overall.flow.studies == evaluation.overall.studies


def test_a_site_without_any_result_is_no_data_set(tmp_path: Path) -> None:
    run(tmp_path, ["test1", "test2"])
    for path in sorted((tmp_path / "out" / "studies").iterdir()):
        if int(path.stem[1:]) % 2:
            path.unlink()
    evaluation = evaluate(tmp_path / "out", tmp_path / "cohort", EvaluationConfig(bootstrap_draws=20))
    assert counts(evaluation) == {"test1": 6} and evaluation.not_evaluated.sites_without_results == {"test2": 6}


def test_several_studies_of_a_patient_are_said(tmp_path: Path) -> None:
    out = save(
        tmp_path / "out",
        (screened(f"s{k}-{visit}", t, patient_id=f"p{k}") for k, t in enumerate(T_SCORES) for visit in range(5)),
    )
    (tmp_path / "cohort").mkdir()
    table = pd.DataFrame({"patient_id": [f"p{k}" for k in range(len(T_SCORES))], "t_score": T_SCORES, "site": "test1"})
    table.to_csv(tmp_path / "cohort" / "cohort.csv", index=False)
    evaluation = evaluate(out, tmp_path / "cohort", EvaluationConfig(bootstrap_draws=20))
    assert (evaluation.overall.studies, evaluation.overall.patients) == (60, 12)
    assert evaluation.not_evaluated.patients_of_several_studies.count == 12


def test_a_patient_on_both_sides_is_named(tmp_path: Path) -> None:
    out = save(tmp_path / "out", [screened("a", -3.0, patient_id="p"), screened("b", -3.0, patient_id="p")])
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "cohort.csv").write_text(
        "study_uid,patient_id,t_score,site\na,p,-3,training\nb,p,-3,test1\n", "utf-8"
    )
    evaluation = evaluate(out, tmp_path / "cohort", EvaluationConfig(bootstrap_draws=20))
    assert evaluation.not_evaluated.patients_on_both_sides.first == ("p",)
