"""osteolens compare-rois: hand-drawn against automatic ROIs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, set_verbosity


def compare_rois(
    cohort: Annotated[Path, typer.Argument(help="Cohort folder with images and cohort.csv.")],
    manual: Annotated[Path, typer.Option(help="Hand-drawn ROIs: rois.csv, or readings with a column reader.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="JSON file to write.")] = None,
    margin: Annotated[float, typer.Option(min=0.0, max=0.5, help="Non-inferiority margin of the AUC.")] = 0.02,
    site: Annotated[str | None, typer.Option(help="Only studies of this site in cohort.csv.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Another folder of weights with its manifest.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    verbose: Annotated[int, typer.Option("-v", count=True, help="More messages.")] = 0,
    quiet: Annotated[bool, typer.Option("-q", help="Errors alone.")] = False,
) -> None:
    """Same studies, same classifier, ROIs by readers and by the detector: overlap, edges, AUC, non-inferiority."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from pipeline.compare import compare_rois as run
        from pipeline.compare import summarise
        from pipeline.prediction import write_json
        from pipeline.screen import Screener
        from pipeline.weights import load_weights

        screener = Screener(load_weights(weights))
        with progress("comparing, %", 100) as bar:
            found = run(cohort, manual, screener, site, lambda now, whole: bar(100 * now // whole))
        figures = summarise(found, margin, seed=seed)
        if out is not None:
            write_json(figures, out)
        if as_json:
            print_json(figures)
        else:
            _print(figures)
        if not quiet:
            say(f"{figures['studies']} studies compared, {figures['left_out']} left out")


def _print(figures: dict[str, Any]) -> None:
    between, with_detector = figures["overlap_between_readers"], figures["overlap_with_detector"]
    rows = [[key, f"{between[key]:.3f}" if key in between else "", f"{v:.3f}"] for key, v in with_detector.items()]
    print_table("overlap (intersection over union)", ["ROI", "between readers", "reader and detector"], rows)
    edges = [[name, *(f"{e[k]:+.2f}" for k in ("bias", "low", "high"))] for name, e in figures["edges_mm"].items()]
    print_table("detector minus mean reader, mm", ["edge", "bias", "from", "to (95 %)"], edges)
    paired = figures["osteoporosis"]
    shown = [[name.replace("_", " "), f"{v:.4f}" if isinstance(v, float) else v] for name, v in paired.items()
             if not isinstance(v, dict)]  # fmt: skip
    print_table("osteoporosis, mean of readers against detector", ["measure", "value"], shown)
    print_table(
        "class changes", ["from manual to automatic", "studies"], [list(row) for row in figures["flips"].items()]
    )
