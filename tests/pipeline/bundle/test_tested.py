"""What a manifest keeps of an evaluation on a test cohort."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from osteolens.errors import ConfigError
from pipeline.bundle.tested import figures_of_test
from tests import WEIGHTS


def test_main_figures_are_kept_and_curves_are_not(tmp_path: Path) -> None:
    estimate = {"value": 0.9, "low": 0.8, "high": 0.95}
    one_class = {"studies": 9, "cases": 3, "auc": estimate, "ppv": estimate}
    evaluation = {
        "datasets": {
            "test1": {
                "split": "test",
                "rejected": 1,
                "population": {"age": [1] * 1000},
                "classification": {
                    "studies": 9,
                    "macro_auc": estimate,
                    "net_benefit": [{"threshold": 0.1}] * 1000,
                    "classes": {"osteoporosis": one_class},
                    "t_score": {"mae": 0.5, "r": 0.9, "calibration": {}},
                    "prediction_sets": {"coverage": estimate, "mean_size": 1.5},
                    "decisions": {"rule_in": 0, "rule_out": 4, "indeterminate": 5},
                },
            },
            "test2": {"split": "test", "classification": None},
        }
    }
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(evaluation))
    out = tmp_path / "w"
    command = ["weights", "assemble", str(out), "--release", "x", "--test-classifier", str(path)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    kept = json.loads((out / "manifest.json").read_text("utf-8"))["models"]["classifier"]["metrics"]["test"]
    assert kept == {
        "test1": {
            "split": "test",
            "rejected": 1,
            "studies": 9,
            "macro_auc": estimate,
            "classes": {"osteoporosis": {"cases": 3, "auc": estimate}},
            "t_score": {"mae": 0.5, "r": 0.9},
            "prediction_sets": {"coverage": estimate, "mean_size": 1.5},
            "decisions": {"rule_in": 0, "rule_out": 4, "indeterminate": 5},
        }
    }
    shown = json.loads(CliRunner().invoke(app, ["weights", "show", str(out), "--json"]).stdout)
    assert shown["models"]["classifier"]["test"] == kept


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"AP": 1}, r"e\.json: found AP; expected what `osteolens evaluate --json` printed"),
        ({}, "found nothing"),
        ({"datasets": {"a": {"classification": None}, "b": 3}}, "no data set has a study with a class and DXA"),
    ],
)
def test_another_document_is_refused(document: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        figures_of_test(document, Path("e.json"))


def test_the_shipped_weights_say_what_their_fresh_cohort_showed() -> None:
    """In-silico; the results page of the release shows the same."""
    manifest = json.loads((WEIGHTS / "manifest.json").read_text("utf-8"))
    found = manifest["models"]["classifier"]["metrics"]["test"]
    assert set(found) == {"test1", "test2", "all"}
    page = Path("docs/results", f"{manifest['version']}.md").read_text("utf-8")
    for name, dataset in found.items():
        auc = dataset["classes"]["osteoporosis"]["auc"]
        assert (
            f"| {name} | {dataset['studies']} | {dataset['classes']['osteoporosis']['cases']} | {auc['value']:.3f} ("
            in page
        )
