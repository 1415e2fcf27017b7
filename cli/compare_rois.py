"""osteolens compare-rois: hand-drawn against automatic ROIs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, say_damaged, set_verbosity


def compare_rois(
    cohort: Annotated[Path, typer.Argument(help="Cohort folder with images and cohort.csv.")],
    manual: Annotated[Path, typer.Option(help="Hand-drawn ROIs: rois.csv, or readings with a column reader.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for report.html, tables and figures.")] = None,
    margin: Annotated[float, typer.Option(min=0.0, max=0.5, help="Non-inferiority margin of the AUC.")] = 0.02,
    site: Annotated[
        str | None, typer.Option(help="Only studies of this site in cohort.csv; several with commas.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Another folder of weights with its manifest.")] = None,
    manual_seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Seconds that a reader takes for a study, to say what is saved.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    verbose: Annotated[int, typer.Option("-v", count=True, help="More messages.")] = 0,
    quiet: Annotated[bool, typer.Option("-q", help="Errors alone.")] = False,
) -> None:
    """Same studies, same classifier, ROIs by readers and by the detector: overlap, edges, AUC, non-inferiority."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from pipeline.bundle.load import load_weights
        from pipeline.roi_comparison.agreement import summarise
        from pipeline.roi_comparison.compare import compare_rois as run
        from pipeline.screening.screener import Screener

        screener = Screener(load_weights(weights))
        with progress("comparing, %", 100) as bar:
            found = run(cohort, manual, screener, site, lambda now, whole: bar(100 * now // whole))
        figures = summarise(found, margin, seed=seed, manual_seconds=manual_seconds)
        if out is not None:
            from cohort.in_silico import notice_of
            from pipeline.roi_comparison.report import write_comparison

            write_comparison(out, found, figures, notice_of(cohort))
            say(f"report: {out / 'report.html'}")
        say_damaged(figures)
        if as_json:
            print_json(figures)
        else:
            _print(figures)
        if not quiet:
            say(f"{figures['studies']} studies compared, {figures['left_out']} left out")


def _print(figures: dict[str, Any]) -> None:
    from pipeline.roi_comparison.report import comparison_tables, verdict

    titles = {
        "overlap": "overlap (intersection over union)",
        "differences": "detector minus mean reader, mm",
        "classes": "the same classifier on both ROIs",
        "flips": "changes of class, hand-drawn to detector",
    }
    tables = comparison_tables(figures)
    for name, title in titles.items():
        print_table(title, list(tables[name].columns), tables[name].fillna("").to_numpy().tolist())
    say(verdict(figures))
