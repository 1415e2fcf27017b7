"""osteolens train all: every stage, from a cohort folder to weights and their report; and a search of settings."""

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


def search(
    cohorts: options.Cohorts,
    out: options.Out = Path("runs/search"),
    trials: Annotated[int, typer.Option("--trials", min=1, help="Trainings in all, those of --resume included.")] = 20,
    space: Annotated[
        list[str] | None,
        typer.Option(
            "--space",
            help="Bounds of a setting that is searched, such as lr=[1e-4,1e-3], or lr=null to leave it as it is; may "
            "be repeated (`osteolens config show training.search`).",
        ),
    ] = None,
    validation: options.Validation = None,
    start_from: options.StartFrom = "weights",
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
    """Search settings of `train classifier` by its validation studies; test studies are never read.

    --config and --set give the settings that all trials share, and the first trial has them all. The best ones are in
    OUT/best.yaml, for `train classifier --config`. The figure of a search is too good: it is the best of all trials on
    the same studies.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from classify.training.config import ClassifierTraining
        from osteolens.config import load_config
        from pipeline.training.run import Start, TrainingOptions
        from pipeline.training.search.search import search_classifier
        from pipeline.training.search.space import SearchSpace

        settings = load_config(ClassifierTraining, config, set_ or ())
        bounds = load_config(SearchSpace, None, space or ())
        with training_progress("cropping") as (bar, step):
            how = TrainingOptions(
                device=device,
                seed=seed,
                resume=resume,
                start_from=Start(start_from) if start_from in tuple(Start) else Path(start_from),
                weights=weights,
                validation=validation,
                on_step=step,
            )
            notify = (lambda _: None) if quiet else say
            found = search_classifier(cohorts, out, trials, settings, bounds, how, bar, notify)
        if as_json:
            print_json(found.as_json())
            return
        print_table(
            f"{found.out}: trial {found.number}", ["setting", "best"], [[k, str(v)] for k, v in found.settings.items()]
        )
        if not quiet:
            say(found.line)
