"""osteolens reproduce: the paper's six models on one cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, say, set_verbosity


def reproduce(
    cohorts: Annotated[
        list[Path], typer.Argument(help="Cohort folders with a training, a validation and test sites between them.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Run folder; a rerun goes on.")] = Path("runs/reproduce"),
    config: Annotated[Path | None, typer.Option(help="YAML of training settings.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="One setting as key=value; may be repeated.")] = None,
    start_from: Annotated[
        Path | None, typer.Option(help="best.safetensors of a trained classifier whose branches all six begin with.")
    ] = None,
    shared: Annotated[
        Path | None, typer.Option(help="best.safetensors of the one network, judged on each subset of inputs.")
    ] = None,
    manual: Annotated[bool, typer.Option(help="Hand-drawn ROIs at the test sites instead of the detector's.")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Seed of weights and augmentation.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    verbose: Annotated[int, typer.Option("-v", count=True, help="More messages.")] = 0,
) -> None:
    """Train AP, lateral and AP + lateral models without and with covariates; print the paper's Tables 2 and 4."""
    set_verbosity(verbose, False)
    with errors_as_exit_codes():
        from classify.training.config import ClassifierTraining
        from classify.training.trainer import RunOptions
        from osteolens.config import load_config
        from pipeline.bundle.load import load_weights
        from pipeline.reproduction.six_models import reproduce as run
        from pipeline.screening.screener import Screener
        from pipeline.training.cohorts import training_cohorts

        settings = load_config(ClassifierTraining, config, set_ or ())
        found = training_cohorts(cohorts, None, settings.validation_fraction, seed, out, only_eligible=True)
        options = RunOptions(device, seed, True, start_from)
        screener = None if manual else Screener(load_weights())
        tables = run(found, cohorts, out, settings, options, screener, shared, say)
        if as_json:
            print_json(tables)
            return
        for number in (2, 4):
            rows = [_table_row(row) for row in tables["rows"] if row["table"] == number]
            columns = ["network", "dataset", "projection", "n", "AUC (95 %)", "sensitivity", "specificity"]
            print_table(f"Table {number}: osteoporosis", [*columns, "PPV", "NPV"], rows)
        compared = [
            [row["dataset"], row["first"], row["second"], _interval(row, "difference", "low", "high"), _p(row)]
            for row in tables["comparisons"]
        ]
        print_table("AUC, second minus first", ["dataset", "first", "second", "difference (95 %)", "p"], compared)


def _table_row(row: dict[str, Any]) -> list[object]:
    name = "auc_osteoporosis"
    shares = [_percent(row, f"osteoporosis_{metric}") for metric in ("sensitivity", "specificity", "ppv", "npv")]
    area = _interval(row, name, f"{name}_low", f"{name}_high")
    return [row["network"], row["dataset"], row["projection"], row["studies_with_dxa"], area, *shares]


def _interval(row: dict[str, Any], value: str, low: str, high: str) -> str:
    return f"{row[value]:.3f} ({row[low]:.3f} to {row[high]:.3f})" if value in row else ""


def _percent(row: dict[str, Any], metric: str) -> str:
    low, high = row[f"{metric}_low"], row[f"{metric}_high"]
    return f"{100 * row[metric]:.1f} ({100 * low:.1f}-{100 * high:.1f})"


def _p(row: dict[str, Any]) -> str:
    return f"{row['p']:.3f}" if "p" in row else ""
