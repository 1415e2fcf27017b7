"""osteolens compare-rois: manual against automatic ROIs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options
from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, say_damaged, set_verbosity

if TYPE_CHECKING:
    from pipeline.roi_comparison.comparison import Comparison

SHOWN = ("flow", "classes", "decisions", "readers", "worst_case", "overlap", "differences")
"""Tables that the terminal shows; the report has all of them."""


def compare_rois(
    context: typer.Context,
    cohort: Annotated[Path, typer.Argument(help="Cohort folder with images and cohort.csv.")],
    manual_rois: Annotated[
        Path, typer.Option("--manual-rois", help="Manual ROIs: rois.csv, or readers.csv with a column reader.")
    ],
    out: options.ReportOut = None,
    site: options.Site = None,
    weights: options.Weights = None,
    config: options.Config = None,
    set_: options.Set = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> None:
    """Same studies, same classifier, ROIs by readers and by the detector: overlap, edges, AUC, non-inferiority.

    Settings: margin, manual_seconds, bootstrap_draws and the criteria of eligibility (`osteolens config show
    comparison`).
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from osteolens.config import load_config
        from pipeline.bundle.load import load_bundle
        from pipeline.roi_comparison.compare import compare_rois as run
        from pipeline.roi_comparison.config import ComparisonConfig
        from pipeline.screening.screener import Screener

        source = context.get_parameter_source("seed")
        given = [f"seed={seed}"] if source is not None and source.name == "COMMANDLINE" else []
        settings = load_config(ComparisonConfig, config, [*(set_ or ()), *given])
        screener = Screener(load_bundle(weights))
        with progress("comparing, %", 100) as bar:
            comparison = run(
                cohort, manual_rois, screener, settings, site, lambda done, total: bar(100 * done // total)
            )
        _write(comparison, cohort, out, quiet)
        document = comparison.as_json()
        if not quiet:
            say_damaged(document)
        if as_json:
            print_json(document)
        else:
            _print(comparison, quiet)
        if not quiet:
            failed = f", {comparison.failed} of them since the detector failed" if comparison.failed else ""
            say(f"{comparison.count} studies compared, {len(comparison.left_out)} left out{failed}")


def _write(comparison: Comparison, cohort: Path, out: Path | None, quiet: bool) -> None:
    if out is None:
        return
    from cohort.in_silico import notice_of
    from pipeline.roi_comparison.report.page import write_comparison

    write_comparison(out, comparison, notice_of(cohort))
    if not quiet:
        say(f"report: {out / 'report.html'}")


def _print(comparison: Comparison, quiet: bool) -> None:
    from pipeline.roi_comparison.report.captions import table_captions

    captions = table_captions(comparison)
    for name, table in comparison.tables.items():
        if name in SHOWN and len(table):
            print_table(captions[name].title, list(table.columns), table.fillna("").to_numpy().tolist())
    if quiet:
        return
    say(comparison.verdict)
    if comparison.minutes_saved is not None and comparison.seconds_saved is not None:
        say(
            f"reader time saved: {comparison.seconds_saved / 60:.1f} minutes a study, {comparison.minutes_saved:.0f} "
            f"minutes over {comparison.count + comparison.failed} studies"
        )
