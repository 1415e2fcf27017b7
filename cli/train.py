"""osteolens train: every stage, on any cohort folder."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options
from cli.console import errors_as_exit_codes, print_json, print_table, say, set_verbosity, training_progress

if TYPE_CHECKING:
    from pipeline.training.cross_validation import CrossValidation
    from pipeline.training.run import Notify, Start, TrainingRun

train_app = typer.Typer(help="Train a stage on a cohort folder (cohort.csv, rois.csv, images).", no_args_is_help=True)


@train_app.command("detector")
def detector(
    cohorts: options.Cohorts,
    out: options.Out = Path("runs/detector"),
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
    """Train the YOLO detector of L1-L4 (and T11, T12, L5, S1) and export it to ONNX."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from detect.training.config import DetectorTraining
        from osteolens.config import load_config
        from pipeline.training.detector import train_detector
        from pipeline.training.run import TrainingOptions

        settings = load_config(DetectorTraining, config, set_ or ())
        with training_progress("rendering") as (bar, step):
            how = TrainingOptions(
                device=device,
                seed=seed,
                resume=resume,
                start_from=_start(start_from),
                weights=weights,
                validation=validation,
                on_step=step,
            )
            run = train_detector(cohorts, out, settings, how, bar, _notify(quiet))
        _print(run, as_json)


@train_app.command("segmenter")
def segmenter(
    cohorts: options.Cohorts,
    out: options.Out = Path("runs/segmenter"),
    validation: options.Validation = None,
    start_from: Annotated[
        str, typer.Option("--start-from", help="segmenter.safetensors of another run, or `none`.")
    ] = "none",
    config: options.Config = None,
    set_: options.Set = None,
    device: options.Device = "cpu",
    seed: options.Seed = 0,
    resume: options.Resume = False,
    as_json: options.AsJson = False,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> None:
    """Train the U-Net that outlines vertebral bodies inside the boxes and export it to ONNX."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from detect.training.config import SegmenterTraining
        from osteolens.config import load_config
        from pipeline.training.run import TrainingOptions
        from pipeline.training.segmenter import train_segmenter

        settings = load_config(SegmenterTraining, config, set_ or ())
        with training_progress("cropping") as (bar, step):
            how = TrainingOptions(
                device=device,
                seed=seed,
                resume=resume,
                start_from=_start(start_from),
                validation=validation,
                on_step=step,
            )
            run = train_segmenter(cohorts, out, settings, how, bar, _notify(quiet))
        _print(run, as_json)


class Views(StrEnum):
    """Which images a classifier sees."""

    AP = "ap"
    LATERAL = "lateral"
    BOTH = "ap+lateral"


@train_app.command("classifier")
def classifier(
    cohorts: options.Cohorts,
    out: options.Out = Path("runs/classifier"),
    validation: options.Validation = None,
    views: Annotated[Views | None, typer.Option(help="Images that the network sees; both when left out.")] = None,
    covariates: Annotated[bool | None, typer.Option(help="Whether age, sex and BMI join them; they do.")] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            "--folds",
            min=2,
            help="Cross-validate by patient: a network for each fold, and a result of every study by the one that "
            "never saw its patient.",
        ),
    ] = None,
    features: Annotated[
        list[Path] | None,
        typer.Option(
            "--features",
            help="Folder of `osteolens simulate features`, by the branches that the run starts from: more patients for "
            "the head of a run without epochs; may be repeated.",
        ),
    ] = None,
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
    """Train the DenseNet on DXA classes and export it to ONNX; with --folds once for each fold."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from classify.training.config import ClassifierTraining
        from osteolens.config import load_config
        from osteolens.errors import ConfigError
        from pipeline.training.classifier import train_classifier
        from pipeline.training.cross_validation import cross_validate
        from pipeline.training.run import TrainingOptions

        overrides = list(set_ or ())
        if views is not None:
            overrides.append(f"views=[{', '.join(name.upper() for name in views.value.split('+'))}]")
        if covariates is not None:
            overrides.append(f"covariates={covariates}")
        settings = load_config(ClassifierTraining, config, overrides)
        with training_progress("cropping" if folds is None else "cropping and screening") as (bar, step):
            how = TrainingOptions(
                device=device,
                seed=seed,
                resume=resume,
                start_from=_start(start_from),
                weights=weights,
                validation=validation,
                on_step=step,
            )
            if folds is not None:
                if features:
                    raise ConfigError("--folds and --features are given; features have no folds: leave one out")
                found = cross_validate(_one(cohorts), out, folds, settings, how, bar, _notify(quiet))
            else:
                run = train_classifier(cohorts, out, settings, how, bar, _notify(quiet), features=features or ())
        if folds is None:
            _print(run, as_json)
        else:
            _print_folds(found, as_json, quiet)


def _start(text: str) -> Path | Start:
    from pipeline.training.run import Start

    return Start(text) if text in tuple(Start) else Path(text)


def _notify(quiet: bool) -> Notify:
    return (lambda _: None) if quiet else say


def _one(cohorts: list[Path]) -> Path:
    from osteolens.errors import ConfigError

    if len(cohorts) > 1:
        raise ConfigError(f"--folds takes one cohort folder, found {len(cohorts)}; join them in one folder first")
    return cohorts[0]


def _print_folds(found: CrossValidation, as_json: bool, quiet: bool) -> None:
    if as_json:
        print_json(found.as_json())
        return
    title = f"{found.out}: {found.patients} patients, each predicted by the network of a fold that never saw them"
    print_table(title, ["metric", "value"], [[name, f"{value:.4g}"] for name, value in found.metrics.items()])
    if not quiet:
        say(f"results: {found.out / 'out-of-fold'}; report: {found.out / 'report' / 'report.html'}")


def _print(run: TrainingRun, as_json: bool) -> None:
    """The result as JSON, or as a table of its metrics."""
    if as_json:
        print_json(run.as_json())
        return
    title = f"{run.out}: {run.training} studies trained on, {run.validation} validated by"
    print_table(title, ["metric", "value"], [[name, f"{value:.4g}"] for name, value in run.metrics.items()])
