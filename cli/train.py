"""osteolens train: both stages on any cohort folder."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import errors_as_exit_codes, print_json, progress, say, set_verbosity

train_app = typer.Typer(help="Train a stage on a cohort folder (cohort.csv, rois.csv, images).", no_args_is_help=True)

Cohorts = Annotated[
    list[Path], typer.Argument(help="Cohort folders with cohort.csv and rois.csv, or manifest CSVs beside them.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Run folder.")]
Validation = Annotated[
    Path | None, typer.Option(help="Cohort folder for validation; a share of the patients when left out.")
]
Config = Annotated[Path | None, typer.Option(help="YAML of training settings.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="One setting as key=value; may be repeated.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, or GPU numbers for the detector.")]
Seed = Annotated[int, typer.Option(help="Seed of split, weights and augmentation.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the run folder's last checkpoint.")]
Verbose = Annotated[int, typer.Option("-v", count=True, help="More messages.")]


@train_app.command("detector")
def detector(
    cohorts: Cohorts,
    out: Out = Path("runs/detector"),
    validation: Validation = None,
    config: Config = None,
    set_: Set = None,
    device: Device = "cpu",
    seed: Seed = 0,
    resume: Resume = False,
    start_from: Annotated[
        str, typer.Option(help="detector.safetensors to fine-tune from; `shipped`, or `none` for a fresh start.")
    ] = "shipped",
    verbose: Verbose = 0,
) -> None:
    """Train the YOLO detector of L1-L4 (and T11, T12, L5, S1) and export it to ONNX."""
    set_verbosity(verbose, False)
    with errors_as_exit_codes():
        from detect.training.config import DetectorTraining
        from detect.training.detector import train_detector
        from detect.training.yolo_folder import write_yolo_folder
        from osteolens.config import load_config
        from pipeline.bundle.load import load_weights
        from pipeline.training.cohorts import outlines_of, training_cohorts

        settings = load_config(DetectorTraining, config, set_ or ())
        start = {"shipped": load_weights().detector.with_suffix(".safetensors"), "none": None}.get(
            start_from, Path(start_from)
        )
        found = training_cohorts(cohorts, validation, settings.validation_fraction, seed, out)
        _say_what(found, settings)
        outlines = outlines_of(cohorts, found.training)
        images = 2 * (len(found.training) + len(found.held_out))
        with progress("rendering", images) as bar:
            yolo = write_yolo_folder(
                found.training,
                found.held_out,
                found.rois,
                outlines,
                out / "yolo",
                settings,
                seed,
                lambda now, _: bar(now),
            )
        print_json(train_detector(yolo, out, settings, device, seed, resume, start))


@train_app.command("segmenter")
def segmenter(
    cohorts: Cohorts,
    out: Out = Path("runs/segmenter"),
    validation: Validation = None,
    config: Config = None,
    set_: Set = None,
    device: Device = "cpu",
    seed: Seed = 0,
    start_from: Annotated[Path | None, typer.Option(help="segmenter.safetensors of another run.")] = None,
    verbose: Verbose = 0,
) -> None:
    """Train the U-Net that outlines vertebral bodies inside the boxes and export it to ONNX."""
    set_verbosity(verbose, False)
    with errors_as_exit_codes():
        from detect.training.body_crops import build_store
        from detect.training.config import SegmenterTraining
        from detect.training.segmenter import train_segmenter
        from osteolens.config import load_config
        from osteolens.errors import ReadError
        from pipeline.training.cohorts import outlines_of, training_cohorts

        settings = load_config(SegmenterTraining, config, set_ or ())
        found = training_cohorts(cohorts, validation, settings.validation_fraction, seed, out)
        _say_what(found, settings)
        outlines = outlines_of([*cohorts, *([validation] if validation else [])], [*found.training, *found.held_out])
        if not outlines:
            raise ReadError("no cohort has outlines; a segmenter needs bodies as COCO polygons in annotations.json")
        with progress("cropping", len(found.training)) as bar:
            crops = build_store(found.training, outlines, out / "crops.npy", settings, seed, lambda now, _: bar(now))
        checks = build_store(found.held_out, outlines, out / "crops-validation.npy", settings, seed)
        print_json(train_segmenter(crops, checks, out, settings, device, seed, start_from, _say_row))


class Views(StrEnum):
    """Which images a classifier sees."""

    AP = "ap"
    LATERAL = "lateral"
    BOTH = "ap+lateral"


@train_app.command("classifier")
def classifier(
    cohorts: Cohorts,
    out: Out = Path("runs/classifier"),
    validation: Validation = None,
    config: Config = None,
    set_: Set = None,
    views: Annotated[Views | None, typer.Option(help="Images that the network sees; both when left out.")] = None,
    covariates: Annotated[bool | None, typer.Option(help="Whether age, sex and BMI join them; they do.")] = None,
    device: Device = "cpu",
    seed: Seed = 0,
    resume: Resume = False,
    start_from: Annotated[
        str, typer.Option(help="best.safetensors of another run; `shipped`, or `none` for a fresh start.")
    ] = "shipped",
    verbose: Verbose = 0,
) -> None:
    """Train the DenseNet on DXA classes and export it to ONNX."""
    set_verbosity(verbose, False)
    with errors_as_exit_codes():
        from classify.training.config import ClassifierTraining
        from osteolens.config import load_config
        from pipeline.bundle.load import load_weights
        from pipeline.training.cohorts import classifier_crops, training_cohorts

        chosen = list(set_ or ())
        if views is not None:
            chosen.append(f"views=[{', '.join(name.upper() for name in views.value.split('+'))}]")
        if covariates is not None:
            chosen.append(f"covariates={covariates}")
        settings = load_config(ClassifierTraining, config, chosen)
        found = training_cohorts(cohorts, validation, settings.validation_fraction, seed, out, only_eligible=True)
        _say_what(found, settings)
        with progress("cropping", len(found.training)) as bar:
            crops, checks, spec = classifier_crops(found, settings, out, seed, lambda now, _: bar(now))
        from classify.training.train import train_classifier
        from classify.training.trainer import RunOptions

        start = {"shipped": load_weights().classifier.parent, "none": None}.get(start_from, Path(start_from))
        options = RunOptions(device, seed, resume, start)
        print_json(train_classifier(crops, checks, out, settings, spec, options, _say_row))


def _say_what(found: Any, settings: Any) -> None:
    for note in found.notes:
        say(note)
    left_out = "".join(f"; {count} left out: {reason}" for reason, count in found.left_out.items())
    say(
        f"{len(found.training)} studies to train on, {len(found.held_out)} held out{left_out}; "
        f"settings: {settings.model_dump_json()}"
    )


def _say_row(row: dict[str, float]) -> None:
    say(", ".join(f"{name} {value:.3g}" for name, value in row.items()))
