"""Options of several commands, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.")]
ReportOut = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        help="Folder for report.html, tables (CSV, LaTeX, HTML) and figures (SVG, PDF, PNG); none when left out.",
    ),
]
Weights = Annotated[
    Path | None, typer.Option("--weights", help="Folder of weights with its manifest; the shipped ones when left out.")
]
Device = Annotated[str, typer.Option("--device", help="cpu or cuda.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything that is drawn at random.")]
Site = Annotated[
    str | None, typer.Option("--site", help="Only studies of this site in cohort.csv; several with commas.")
]
Config = Annotated[
    str | None,
    typer.Option("--config", help="YAML file of settings, or the name of a shipped recipe (`osteolens config list`)."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="One setting as key=value, such as detection.min_score=0.1; may be repeated."),
]
Resume = Annotated[bool, typer.Option("--resume/--no-resume", help="Go on from what an earlier run wrote into --out.")]
ManualRois = Annotated[
    Path | None, typer.Option("--manual-rois", help="Manual ROIs: rois.csv, or readers.csv with a column reader.")
]
IncludeIneligible = Annotated[
    bool, typer.Option("--include-ineligible", help="Patients whom the criteria exclude, too.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Verbose = Annotated[int, typer.Option("--verbose", "-v", count=True, help="More messages; twice for all.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="The result and errors alone, no other messages.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check the input and the settings; write nothing.")]
Cohorts = Annotated[
    list[Path], typer.Argument(help="Cohort folders with cohort.csv and rois.csv, or manifest CSVs beside them.")
]
Validation = Annotated[
    Path | None,
    typer.Option(
        "--validation", help="Cohort folder for validation; site `validation`, or a fraction of the patients, else."
    ),
]
StartFrom = Annotated[
    str,
    typer.Option("--start-from", help="Safetensors of another run; `weights` for those of --weights, or `none`."),
]
