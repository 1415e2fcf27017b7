"""osteolens train all: every stage, from a cohort folder to weights and their report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.console import errors_as_exit_codes, print_json, print_table, say, set_verbosity, training_progress


def train_all(
    cohort: Annotated[Path, typer.Argument(help="Cohort folder with cohort.csv and rois.csv, or a manifest CSV.")],
    out: options.Out = Path("runs/all"),
    start_from: Annotated[
        str, typer.Option("--start-from", help="`weights` for those of --weights, or `none` for new networks.")
    ] = "weights",
    weights: options.Weights = None,
    config: options.Config = None,
    set_: options.Set = None,
    device: options.Device = "cpu",
    seed: options.Seed = 0,
    resume: options.Resume = False,
    as_json: options.AsJson = False,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> None:
    """Train every stage, assemble the weights, and evaluate them on studies that no stage was trained on.

    Settings are those of the stages: `--set detector.epochs=20`, `--set classifier.lr=4e-4`. The same command with
    --resume goes on where it stopped.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from osteolens.config import load_config
        from osteolens.errors import ConfigError
        from pipeline.training.every_stage import EveryTraining
        from pipeline.training.every_stage import train_all as run
        from pipeline.training.run import Start, TrainingOptions

        if start_from not in tuple(Start):
            raise ConfigError(f"--start-from {start_from}: expected weights or none; name a folder by --weights")
        settings = load_config(EveryTraining, config, set_ or ())
        with training_progress("preparing") as (bar, step):
            how = TrainingOptions(
                device=device, seed=seed, resume=resume, start_from=Start(start_from), weights=weights, on_step=step
            )
            found = run(cohort, out, settings, how, bar, (lambda _: None) if quiet else say)
        if as_json:
            print_json(found.as_json())
            return
        for part, trained in found.runs.items():
            title = f"{part}: {trained.training} studies trained on, {trained.validation} validated by"
            print_table(title, ["metric", "value"], [[name, f"{value:.4g}"] for name, value in trained.metrics.items()])
        if not quiet:
            say(f"weights: {found.out / 'weights'}; report: {found.out / 'report' / 'report.html'}")
