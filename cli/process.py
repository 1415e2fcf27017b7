"""osteolens process: screen a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, set_verbosity


def process(
    source: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of studies or images, one image, or a manifest CSV; the six examples when left out."
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder.")] = Path("osteolens-out"),
    age: Annotated[float | None, typer.Option(min=0, max=120, help="Age in years, for a single study.")] = None,
    sex: Annotated[str | None, typer.Option(help="F or M, for a single study.")] = None,
    height: Annotated[float | None, typer.Option(min=50, max=260, help="Height in cm, for a single study.")] = None,
    weight: Annotated[float | None, typer.Option(min=10, max=400, help="Weight in kg, for a single study.")] = None,
    bmi: Annotated[float | None, typer.Option(min=8, max=90, help="BMI in kg/m2, for a single study.")] = None,
    shift: Annotated[
        int, typer.Option("--shift-levels", min=-3, max=3, help="Rename all levels of one study: +1 makes L2 of L1.")
    ] = 0,
    site: Annotated[
        str | None, typer.Option(help="Only studies of this site in cohort.csv; several with commas.")
    ] = None,
    rois: Annotated[
        Path | None, typer.Option(help="Classify on the hand-drawn boxes of this rois.csv; no detector, no gate.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also draw where the classifier looked; needs the extra 'train'.")
    ] = False,
    weights: Annotated[Path | None, typer.Option(help="Another folder of weights with its manifest.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML of settings.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="One setting as key=value; may be repeated.")] = None,
    resume: Annotated[bool, typer.Option(help="Keep results of an earlier run into the same folder.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON instead of a table.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List studies and skipped files; screen nothing.")] = False,
    verbose: Annotated[int, typer.Option("-v", count=True, help="More messages.")] = 0,
    quiet: Annotated[bool, typer.Option("-q", help="Errors alone.")] = False,
) -> None:
    """Find L1-L4 in AP and lateral lumbar radiographs and class each study by bone density.

    Writes studies/*.json, predictions.csv, run.json, overlays/*.png and report.html into --out. Exit code 0: done,
    rejections included; 1: error; 2: usage; 3: done, but some studies failed; 130: stopped by a signal.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from importlib.resources import files

        from cohort.covariates import Covariates, Sex
        from cohort.io.folder import index_cohort, only_sites
        from cohort.io.tables.notes import table_notes
        from osteolens.config import load_config
        from osteolens.errors import ConfigError
        from pipeline.screening.config import ScreeningConfig

        if sex is not None and sex.upper() not in ("F", "M"):
            raise typer.BadParameter(f"got {sex!r}, expected F or M", param_hint="--sex")
        given = Covariates(
            age_years=age,
            sex=Sex(sex.upper()) if sex else None,
            height_cm=height,
            weight_kg=weight,
            bmi_given=bmi,
        )
        overrides = [*(set_ or ()), *([f"shift_levels={shift}"] if shift else [])]
        overrides += ["explain=true"] if explain else []
        settings = load_config(ScreeningConfig, config, overrides)
        folder = source if source is not None else Path(str(files("examples")))
        if out.resolve() == folder.resolve():
            raise ConfigError(f"--out {out} is the input folder; choose a folder of its own for the results")
        index = index_cohort(folder, exclude=out)
        if folder.is_dir():
            for note in table_notes(folder, index.studies):
                say(note)
        if site is not None:
            index = only_sites(index, site)
        if dry_run:
            _print_index(index, as_json)
            return
        if not index.studies:
            raise ConfigError(
                f"{folder}: no radiographs found ({len(index.skipped)} other files); "
                "expected DICOM, PNG, JPEG or TIFF images, in folders or flat"
            )
        from pipeline.bundle.load import load_bundle
        from pipeline.screening.folder import process as run
        from pipeline.screening.manual_rois import ManualRois

        checked = load_bundle(weights)
        drawn = None if rois is None else ManualRois.read(rois)
        finished = 0
        with progress("screening", len(index.studies)) as bar:

            def one_done(_: dict[str, Any]) -> None:
                nonlocal finished
                finished += 1
                bar(finished)

            summary = run(index, out, checked, settings, given, resume, drawn, one_done)
        if as_json:
            print_json(summary.rows)
        else:
            _print_rows(summary.rows)
        if not quiet:
            say(
                f"{summary.count('screened')} screened, {summary.count('rejected')} rejected, "
                f"{summary.count('failed')} failed, {summary.resumed} kept from before, "
                f"{len(index.skipped)} files left out; report: {out / 'report.html'}"
            )
        if summary.stopped:
            reached = f"{len(summary.rows)} of {len(index.studies)} studies"
            say(f"stopped after {reached}; the same command goes on from there")
            raise typer.Exit(130)
        if summary.count("failed"):
            raise typer.Exit(3)


def _print_rows(rows: list[dict[str, Any]]) -> None:
    from cohort.bmd import BMD_CLASSES

    shown = []
    for row in rows[:200]:
        shares = [f"{row[f'p_{c}']:.2f}" if row[f"p_{c}"] != "" else "" for c in BMD_CLASSES]
        result = row["bmd_class"] or row["status"]
        note = row["reason"] or row["warnings"]
        shown.append(
            [row["patient_id"][:40], row["views"], result, *shares, note[:90] + ("..." if len(note) > 90 else "")]
        )
    print_table("OsteoLens", ["patient", "views", "class", *(str(c) for c in BMD_CLASSES), "notes"], shown)
    if len(rows) > 200:
        say(f"the first 200 of {len(rows)} studies are shown; predictions.csv holds all")


def _print_index(index: Any, as_json: bool) -> None:
    studies = [[s.study_uid, s.patient_id, len(s.images)] for s in index.studies]
    skipped = [[str(item.path), item.reason] for item in index.skipped]
    if as_json:
        print_json({"studies": studies, "skipped": skipped})
        return
    print_table("studies", ["study", "patient", "images"], studies)
    if skipped:
        print_table("files left out", ["file", "reason"], skipped)
