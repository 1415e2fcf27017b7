"""osteolens weights recalibrate: a new calibration of finished weights from a site's own DXA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options
from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, set_verbosity

if TYPE_CHECKING:
    from pipeline.recalibration.recalibrate import RecalibratedWeights


def recalibrate(
    results: Annotated[Path, typer.Argument(help="Output folder of `osteolens process` on studies with DXA.")],
    cohort: Annotated[Path, typer.Argument(help="Folder with cohort.csv or dxa.csv, for DXA.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder of weights.")],
    release: Annotated[str, typer.Option("--release", help="Name of the new weights, which every prediction tells.")],
    weights: options.Weights = None,
    site: options.Site = None,
    config: options.Config = None,
    set_: options.Set = None,
    as_json: options.AsJson = False,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> None:
    """Fit the calibration anew on a site's own studies with DXA, some 100 patients. Runs no model, changes no network.

    Temperature, prediction sets, rule-in and rule-out thresholds and, where it is off, the T-score. Prints what that is
    worth on patients left out of the fit. The weights before stay as they are. Settings: `osteolens config show
    recalibration`.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from osteolens.config import load_config
        from pipeline.recalibration.config import RecalibrationConfig
        from pipeline.recalibration.recalibrate import recalibrate as run

        settings = load_config(RecalibrationConfig, config, set_ or ())
        with progress("fitting, %", 100) as bar:
            written = run(
                results, cohort, out, release, weights, settings, site, lambda done, of: bar(100 * done // max(of, 1))
            )
        if as_json:
            print_json(written.as_json())
        else:
            _print(written)
        if not quiet:
            for note in written.notes:
                say(note)
            say(f"weights {release} in {out}; use them with --weights {out}")


def _print(written: RecalibratedWeights) -> None:
    from pipeline.recalibration.tables import calibration_rows, figure_rows, record_rows

    print_table("Fitted on", ["what", "value"], record_rows(written))
    print_table("Calibration", ["value", "before", "now"], calibration_rows(written))
    title = f"On patients left out of the fit ({written.figures.folds}-fold cross-validation, 95 % intervals)"
    print_table(title, ["figure", "before", "after", "gain"], figure_rows(written.figures))
