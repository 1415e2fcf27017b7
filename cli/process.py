"""osteolens process: screen a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options
from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, set_verbosity
from osteolens.inference.choices import Device, Precision

if TYPE_CHECKING:
    from cohort.io.folder import CohortIndex
    from pipeline.screening.output.rows import PredictionRow
    from pipeline.screening.storage.staging import StagedFolder

SHOWN = 200
"""Studies that the terminal shows."""

NOTE_LENGTH = 90
"""Letters of a note that the terminal shows."""


class GivenEngine(StrEnum):
    """Engines on the command line."""

    LOCAL = "local"
    RAY = "ray"


class GivenSex(StrEnum):
    """Sex on the command line."""

    F = "F"
    M = "M"


def process(
    source: Annotated[
        str | None,
        typer.Argument(
            help="Folder of studies or images, one image, a manifest CSV, or an address such as s3://bucket/films; "
            "the six examples when left out."
        ),
    ] = None,
    out: options.Out = Path("osteolens-out"),
    age: Annotated[float | None, typer.Option(min=0, max=120, help="Age in years, for a single study.")] = None,
    sex: Annotated[GivenSex | None, typer.Option(case_sensitive=False, help="F or M, for a single study.")] = None,
    height: Annotated[float | None, typer.Option(min=50, max=260, help="Height in cm, for a single study.")] = None,
    weight: Annotated[float | None, typer.Option(min=10, max=400, help="Weight in kg, for a single study.")] = None,
    bmi: Annotated[float | None, typer.Option(min=8, max=90, help="BMI in kg/m2, for a single study.")] = None,
    shift: Annotated[
        int, typer.Option("--shift-levels", min=-3, max=3, help="Rename all levels of one study: +1 makes L2 of L1.")
    ] = 0,
    site: options.Site = None,
    manual_rois: options.ManualRois = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also draw where the classifier looked; needs the extra 'train'.")
    ] = False,
    dicom: Annotated[
        str | None, typer.Option("--dicom", help="DICOM objects to write: sr, sc, gsps with commas, or none.")
    ] = None,
    fhir: Annotated[
        bool, typer.Option("--fhir", help="Also write each result as FHIR R4 resources; needs the extra 'fhir'.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", min=1, max=256, help="Processes side by side; by default what the machine has room for."
        ),
    ] = None,
    engine: Annotated[
        GivenEngine | None,
        typer.Option(
            "--engine", help="Processes of this machine, or a cluster of Ray, which needs the extra 'cluster'."
        ),
    ] = None,
    device: Annotated[
        Device | None,
        typer.Option(
            "--device", help="What networks run on, cpu by default; auto takes the fastest that is installed."
        ),
    ] = None,
    precision: Annotated[
        Precision,
        typer.Option("--precision", help="Numbers that networks compute with; bf16 needs the extra 'openvino'."),
    ] = Precision.FP32,
    weights: options.Weights = None,
    config: options.Config = None,
    set_: options.Set = None,
    resume: options.Resume = True,
    as_json: options.AsJson = False,
    dry_run: options.DryRun = False,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> None:
    """Find L1-L4 in AP and lateral lumbar radiographs and class each study by bone density.

    Writes studies/*.json, predictions.csv, run.json, overlays/*.png and report.html into --out. Exit code 0: done,
    rejections included; 1: error; 2: usage; 3: done, but some studies failed; 130: stopped by a signal.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from cohort.io.folder import only_sites
        from cohort.io.tables.notes import table_notes
        from osteolens.config import load_config
        from osteolens.shipped import shipped_examples
        from pipeline.prediction import Status
        from pipeline.screening.config import ScreeningConfig
        from pipeline.screening.folder import ScreeningOptions, screen_folder
        from pipeline.screening.manual_rois import ManualRois
        from pipeline.screening.study_input import given_covariates

        given = given_covariates(age, sex, bmi, height, weight)
        overrides = [*(set_ or ()), *([f"shift_levels={shift}"] if shift else [])]
        overrides += ["explain=true"] if explain else []
        overrides += ["fhir=true"] if fhir else []
        overrides += [] if jobs is None else [f"jobs={jobs}"]
        overrides += [] if engine is None else [f"engine={engine}"]
        overrides += _inference_overrides(device, precision)
        overrides += [] if dicom is None else [_dicom_override(dicom)]
        settings = load_config(ScreeningConfig, config, overrides)
        folder = source if source is not None else shipped_examples()
        with _opened(folder, out, dry_run) as place:
            index = _index(place, out)
            if place.path.is_dir() and not quiet:
                for note in table_notes(place.path, index.studies):
                    say(note)
            index = index if site is None else only_sites(index, site)
            if dry_run:
                _print_index(index, as_json)
                return
            chosen = ScreeningOptions(
                config=settings,
                covariates=given,
                manual_rois=None if manual_rois is None else ManualRois.read(manual_rois),
                resume=resume,
            )
            with progress("screening", len(index.studies)) as bar:
                summary = screen_folder(index, out, weights, chosen, progress=lambda done, _: bar(done))
            if not summary.stopped:
                place.remove()
        if as_json:
            print_json([row.as_cells() for row in summary.rows])
        else:
            _print_rows(summary.rows)
        if not quiet:
            say(
                f"{summary.count(Status.SCREENED)} screened, {summary.count(Status.REJECTED)} rejected, "
                f"{summary.count(Status.FAILED)} failed, {summary.resumed} kept from before, "
                f"{len(index.skipped)} files left out; report: {out / 'report.html'}"
            )
        if summary.without_objects:
            reason = next(iter(summary.without_objects.values()))
            say(f"objects are incomplete in {len(summary.without_objects)} studies ({reason}); run.json says why")
        if summary.stopped:
            reached = f"{len(summary.rows)} of {len(index.studies)} studies"
            say(f"stopped after {reached}; the same command goes on from there")
            raise typer.Exit(130)
        if summary.count(Status.FAILED):
            raise typer.Exit(3)


def _inference_overrides(device: Device | None, precision: Precision) -> list[str]:
    """The settings that --device and --precision stand for; the device of another precision than fp32 is found."""
    overrides = [] if precision is Precision.FP32 else [f"inference.precision={precision}"]
    if device is None and overrides:
        device = Device.AUTO
    if device is not None:
        overrides += [f"inference.{network}={device}" for network in ("detector", "segmenter", "classifier")]
    return overrides


def _dicom_override(dicom: str) -> str:
    """The setting that --dicom stands for."""
    names = [name.strip().lower() for name in dicom.split(",") if name.strip()]
    return f"dicom.objects=[{', '.join(name for name in names if name != 'none' or len(names) > 1)}]"


@contextmanager
def _opened(source: str | Path, out: Path, dry_run: bool) -> Iterator[StagedFolder]:
    """The folder to screen; one at an address is fetched, for a dry run into a folder that is removed."""
    from pipeline.screening.storage.staging import opened

    with ExitStack() as stack:
        target = Path(stack.enter_context(TemporaryDirectory(prefix="osteolens-"))) if dry_run else out
        with progress("fetching (%)", 100) as bar:
            folder = stack.enter_context(
                opened(source, target, lambda done, total: bar(100 * done // total if total else 100))
            )
        yield folder


def _index(folder: StagedFolder, out: Path) -> CohortIndex:
    """Studies of a folder that is not the output folder itself."""
    with progress("reading headers (%)", 100) as bar:
        return folder.index(out, lambda done, total: bar(100 * done // total))


def _print_rows(rows: Sequence[PredictionRow]) -> None:
    from cohort.bmd import BMD_CLASSES

    lines = []
    for row in rows[:SHOWN]:
        probabilities = (row.p_normal, row.p_osteopenia, row.p_osteoporosis)
        note = row.reason or row.warnings
        lines.append(
            [
                row.patient_id[:40],
                row.views,
                row.bmd_class or row.status,
                *("" if p is None else f"{p:.2f}" for p in probabilities),
                note[:NOTE_LENGTH] + ("..." if len(note) > NOTE_LENGTH else ""),
            ]
        )
    print_table("OsteoLens", ["patient", "views", "class", *BMD_CLASSES, "notes"], lines)
    if len(rows) > SHOWN:
        say(f"the first {SHOWN} of {len(rows)} studies are shown; predictions.csv holds all")


def _print_index(index: CohortIndex, as_json: bool) -> None:
    studies = [[s.study_uid, s.patient_id, len(s.images)] for s in index.studies]
    skipped = [[str(item.path), item.reason] for item in index.skipped]
    if as_json:
        print_json({"studies": studies, "skipped": skipped})
        return
    print_table("studies", ["study", "patient", "images"], studies)
    if skipped:
        print_table("files left out", ["file", "reason"], skipped)
