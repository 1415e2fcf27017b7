"""osteolens evaluate: results against manual ROIs and DXA."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, set_verbosity


def evaluate(
    results: Annotated[Path, typer.Argument(help="Output folder of `osteolens process`.")],
    cohort: Annotated[
        Path | None, typer.Argument(help="Folder with cohort.csv and rois.csv; the six examples when left out.")
    ] = None,
    site: Annotated[str | None, typer.Option(help="Only studies of this site in cohort.csv.")] = None,
    everyone: Annotated[bool, typer.Option("--everyone", help="Judge excluded patients too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    verbose: Annotated[int, typer.Option("-v", count=True, help="More messages.")] = 0,
    quiet: Annotated[bool, typer.Option("-q", help="Errors alone.")] = False,
) -> None:
    """Compare results with manual ROIs (level and overlap) and with DXA classes (AUC, accuracy). Runs no model."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from importlib.resources import files

        from pipeline.evaluate import evaluate_results

        figures = evaluate_results(results, cohort or Path(str(files("examples"))), site, everyone)
        if as_json:
            print_json(figures)
        else:
            rows = [[name.replace("_", " "), f"{v:.3f}" if isinstance(v, float) else v] for name, v in figures.items()]
            print_table("evaluation", ["measure", "value"], rows)
