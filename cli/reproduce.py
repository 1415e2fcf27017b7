"""osteolens reproduce: the paper's six models on one cohort."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options
from cli.console import errors_as_exit_codes, print_json, print_table, say, set_verbosity

if TYPE_CHECKING:
    from pipeline.evaluation.statistics.intervals import Estimate
    from pipeline.reproduction.tables import ModelComparison, ModelRow, ReproductionTables


class Boxes(StrEnum):
    """Whose boxes the test sites are evaluated on."""

    MANUAL = "manual"
    DETECTOR = "detector"


def reproduce(
    cohorts: Annotated[
        list[Path], typer.Argument(help="Cohort folders with a training, a validation and test sites between them.")
    ],
    out: options.Out = Path("runs/reproduce"),
    start_from: Annotated[
        Path | None,
        typer.Option("--start-from", help="best.safetensors of a classifier whose branches all six begin with."),
    ] = None,
    joint_network: Annotated[
        Path | None,
        typer.Option(
            "--joint-network", help="best.safetensors of the one network, evaluated on each subset of the inputs too."
        ),
    ] = None,
    test_rois: Annotated[
        Boxes, typer.Option("--test-rois", help="Whose boxes the test sites are evaluated on.")
    ] = Boxes.DETECTOR,
    weights: options.Weights = None,
    config: options.Config = None,
    set_: options.Set = None,
    device: options.Device = "cpu",
    seed: options.Seed = 0,
    resume: options.Resume = True,
    as_json: options.AsJson = False,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> None:
    """Train AP, lateral and AP + lateral models without and with covariates; print the paper's Tables 2 and 4."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from classify.training.config import ClassifierTraining
        from osteolens.config import load_config
        from pipeline.reproduction.six_models import ReproductionOptions, RoiSource
        from pipeline.reproduction.six_models import reproduce as run

        settings = load_config(ClassifierTraining, config, set_ or ())
        how = ReproductionOptions(
            device=device,
            seed=seed,
            resume=resume,
            start_from=start_from,
            weights=weights,
            joint_network=joint_network,
            test_rois=RoiSource(test_rois.value),
        )
        tables = run(cohorts, out, settings, how, notify=(lambda _: None) if quiet else say)
        if as_json:
            print_json(tables.as_json())
        else:
            _print(tables)


def _print(tables: ReproductionTables) -> None:
    columns = ["network", "dataset", "projection", "studies", "AUC (95 %)", "sensitivity", "specificity", "PPV", "NPV"]
    for number in (2, 4):
        rows = [_cells(row) for row in tables.rows if row.model.table == number]
        print_table(f"Table {number}: osteoporosis", columns, rows)
    compared = [_comparison_cells(comparison) for comparison in tables.comparisons]
    print_table("AUC, second minus first", ["dataset", "first", "second", "difference (95 %)", "p"], compared)


def _cells(row: ModelRow) -> list[object]:
    metrics = row.osteoporosis
    percents = [_interval(getattr(metrics, name), 100, 1) for name in ("sensitivity", "specificity", "ppv", "npv")]
    where = [row.network.value, row.dataset, row.model.projection]
    return [*where, metrics.studies, _interval(metrics.auc), *percents]


def _comparison_cells(comparison: ModelComparison) -> list[object]:
    auc = comparison.auc
    tail = ["", ""] if auc is None else [_interval(auc.difference), f"{auc.p:.3f}"]
    return [comparison.dataset, comparison.first, comparison.second, *tail]


def _interval(estimate: Estimate, scale: float = 1.0, digits: int = 3) -> str:
    from pipeline.evaluation.estimable import interval_text

    return interval_text(estimate, scale, digits)
