"""osteolens evaluate, validate and evaluate-bodies: results against DXA, manual ROIs and annotated bodies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options
from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, say_damaged, set_verbosity

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.evaluation.config import EvaluationConfig
    from pipeline.evaluation.evaluate import Evaluation

TITLES = {
    "classification": "classification",
    "osteoporosis": "osteoporosis against the rest",
    "osteopenia": "osteopenia against the rest",
    "normal": "normal bone density against the rest",
    "operating_points": "operating points of osteoporosis",
    "input_ablation": "what each part of the inputs is worth",
    "stage_attribution": "stage attribution",
    "detection": "detection by view and level",
    "detection_by_site": "detection by site",
    "detection_by_finding": "detection by finding",
    "fractures": "suspected fractures",
    "quality_control": "quality control",
}
"""Tables that the terminal shows, with their titles; the report shows all."""

Results = Annotated[Path, typer.Argument(help="Output folder of `osteolens process`.")]
Published = Annotated[
    bool, typer.Option("--published", help="Print Tables 1 to 4 in the layout of Mao et al. 2022, its lines beside.")
]


def evaluate(
    results: Results,
    cohort: Annotated[
        Path | None, typer.Argument(help="Folder with cohort.csv, rois.csv or both; the six examples when left out.")
    ] = None,
    site: options.Site = None,
    include_ineligible: options.IncludeIneligible = False,
    manual_results: Annotated[
        Path | None,
        typer.Option(
            "--manual-results",
            help="Output folder of `osteolens process --manual-rois` on the same studies: tells what each stage costs.",
        ),
    ] = None,
    out: options.ReportOut = None,
    published: Published = False,
    config: options.Config = None,
    set_: options.Set = None,
    as_json: options.AsJson = False,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> None:
    """Compare results with DXA (classes, probabilities, T-scores) and with manual ROIs (boxes of L1-L4). Runs no model.

    Settings: the criteria of eligibility (`--set criteria.max_dxa_days=180`), bootstrap_draws, seed, sensitivity and
    fewest_cases (`osteolens config show evaluation`).
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from pipeline.evaluation.evaluate import evaluate as run

        evaluation = run(
            results, cohort or _examples(), _settings(config, set_), site, include_ineligible, manual_results
        )
        _write(evaluation, cohort or _examples(), out, quiet)
        _print(evaluation, as_json, published, quiet)


def validate(
    cohort: Annotated[Path, typer.Argument(help="Cohort folder with images and cohort.csv.")],
    out: options.Out,
    site: options.Site = None,
    weights: options.Weights = None,
    include_ineligible: options.IncludeIneligible = False,
    published: Published = False,
    config: options.Config = None,
    set_: options.Set = None,
    as_json: options.AsJson = False,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> None:
    """Screen a cohort, then evaluate it: external validation in one command.

    Screens on the detector's ROIs, from each part of the inputs too, and on those of its rois.csv where there is one,
    into --out; the report lies there too. The same command again goes on. Settings are those of `osteolens evaluate`.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from pipeline.evaluation.evaluate import evaluate as run
        from pipeline.screening.cohort import screen_cohort

        settings = _settings(config, set_)
        with progress("screening, %", 100) as bar:
            screened = screen_cohort(cohort, out, site, weights, lambda done, total: bar(100 * done // max(total, 1)))
        evaluation = run(screened.automatic, cohort, settings, site, include_ineligible, screened.manual)
        _write(evaluation, cohort, out, quiet)
        _print(evaluation, as_json, published, quiet)


def evaluate_bodies(
    results: Results,
    labels: Annotated[Path, typer.Argument(help="Folder of YOLO label files of one class, named as the images.")],
    lowest: Annotated[
        int, typer.Option("--lowest", min=1, help="Annotated bodies a radiograph that count, from the bottom.")
    ] = 5,
    as_json: options.AsJson = False,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> None:
    """Recall of annotated bodies without levels: for public whole-spine radiographs."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from pipeline.evaluation.detection.unlabelled_bodies import evaluate_bodies as run
        from pipeline.evaluation.estimable import told

        evaluation = run(results, labels, lowest)
        say_damaged(evaluation.as_json())
        if as_json:
            print_json(evaluation.as_json())
            return
        rows = [
            [
                name,
                group.radiographs,
                group.with_boxes,
                group.bodies,
                told(group.recall, group.not_estimable.get("recall")),
            ]
            for name, group in (("all", evaluation.all), ("held back", evaluation.held_back))
        ]
        columns = ["radiographs", "number", "with boxes", "bodies", "recall"]
        print_table(f"lowest {lowest} bodies", columns, rows)


def _examples() -> Path:
    from osteolens.shipped import shipped_examples

    return shipped_examples()


def _settings(config: str | None, overrides: list[str] | None) -> EvaluationConfig:
    from osteolens.config import load_config
    from pipeline.evaluation.config import EvaluationConfig

    return load_config(EvaluationConfig, config, overrides or ())


def _write(evaluation: Evaluation, cohort: Path, out: Path | None, quiet: bool) -> None:
    if out is None:
        return
    from cohort.in_silico import notice_of
    from pipeline.evaluation.report.page import write_evaluation

    write_evaluation(out, evaluation, notice_of(cohort))
    if not quiet:
        say(f"report: {out / 'report.html'}")


def _print(evaluation: Evaluation, as_json: bool, published: bool, quiet: bool) -> None:
    document = evaluation.as_json()
    if not quiet:
        say_damaged(document)
    if as_json:
        print_json(document)
        return
    if published:
        from pipeline.evaluation.report.tables import TITLES as PUBLISHED
        from pipeline.evaluation.report.tables import published_tables

        _print_tables(published_tables(evaluation), PUBLISHED)
    else:
        _print_tables(evaluation.tables, TITLES)
    if not quiet:
        counts = f"{document['excluded']} excluded by the criteria, {document['rejected']} rejected"
        say(f"{document['studies']} studies evaluated, {counts}")


def _print_tables(tables: Mapping[str, pd.DataFrame], titles: Mapping[str, str]) -> None:
    for name, title in titles.items():
        table = tables[name]
        if len(table):
            cells = table.astype(object).where(table.notna(), "").to_numpy().tolist()
            print_table(title, list(table.columns), cells)
