"""osteolens evaluate, validate and evaluate-bodies: results against DXA, manual ROIs and annotated bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import options
from cli.console import (
    errors_as_exit_codes,
    print_heading,
    print_json,
    print_table,
    progress,
    say,
    say_damaged,
    set_verbosity,
)

if TYPE_CHECKING:
    import pandas as pd

    from osteolens.progress import Progress
    from pipeline.evaluation.config import EvaluationConfig
    from pipeline.evaluation.evaluation import Evaluation

Results = Annotated[Path, typer.Argument(help="Output folder of `osteolens process`.")]
Published = Annotated[
    bool, typer.Option("--published", help="Print Tables 1 to 4 in the layout of Mao et al. 2022, its lines beside.")
]


def evaluate(
    results: Results,
    cohort: Annotated[
        Path | None, typer.Argument(help="Folder with cohort.csv, rois.csv or both; or --examples.")
    ] = None,
    examples: Annotated[
        bool, typer.Option("--examples", help="Against the six examples, which `osteolens process` takes by default.")
    ] = False,
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
        reference = _reference(results, cohort, examples)
        from pipeline.evaluation.evaluate import evaluate as run

        settings = _settings(config, set_)
        if out is not None:
            from pipeline.evaluation.report.page import check_folder

            check_folder(out, results, reference)
        with progress("evaluating, %", 100) as bar:
            evaluation = run(
                results, reference, settings, site, include_ineligible, manual_results, progress=_percent(bar)
            )
        _write(evaluation, reference, results, out, quiet)
        _print(evaluation, as_json, published, quiet, out is not None)


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
            screened = screen_cohort(cohort, out, site, weights, _percent(bar))
        with progress("evaluating, %", 100) as bar:
            evaluation = run(
                screened.automatic,
                cohort,
                settings,
                site,
                include_ineligible,
                screened.manual,
                progress=_percent(bar),
            )
        _write(evaluation, cohort, screened.automatic, out, quiet)
        _print(evaluation, as_json, published, quiet, out is not None)


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
        if not quiet:
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


def _reference(results: Path, cohort: Path | None, examples: bool) -> Path:
    """The cohort folder that was named, or that of the examples where they are asked for.

    Raises:
        ConfigError: neither or both were named.
    """
    from osteolens.errors import ConfigError
    from osteolens.shipped import shipped_examples

    if examples and cohort is not None:
        raise ConfigError(f"both {cohort} and --examples are given; expected one of them")
    if cohort is None and not examples:
        raise ConfigError(
            f"no cohort is given to evaluate {results} against; expected a folder with cohort.csv (DXA), rois.csv or "
            f"both: osteolens evaluate {results} COHORT; for results of the six examples: osteolens evaluate {results} "
            "--examples"
        )
    return shipped_examples() if cohort is None else cohort


def _percent(bar: Callable[[int], None]) -> Progress:
    """Progress of a long loop for a bar of 100 steps."""

    def told(done: int, total: int) -> None:
        bar(100 * done // max(total, 1))

    return told


def _settings(config: str | None, overrides: list[str] | None) -> EvaluationConfig:
    from osteolens.config import load_config
    from pipeline.evaluation.config import EvaluationConfig

    return load_config(EvaluationConfig, config, overrides or ())


def _write(evaluation: Evaluation, cohort: Path, results: Path, out: Path | None, quiet: bool) -> None:
    if out is None:
        return
    from cohort.in_silico import notice_of
    from pipeline.evaluation.report.page import write_evaluation

    with progress("drawing, %", 100) as bar:
        write_evaluation(out, evaluation, notice_of(cohort), results / "overlays", _percent(bar))
    if not quiet:
        say(f"report: {out / 'report.html'}")


def _print(evaluation: Evaluation, as_json: bool, published: bool, quiet: bool, has_report: bool) -> None:
    document = evaluation.as_json()
    if not quiet:
        say_damaged(document)
    if as_json:
        print_json(document)
        return
    if published:
        _print_published(evaluation)
    else:
        _print_summary(evaluation)
        _print_groups(evaluation.tables, list(evaluation.datasets))
    if not quiet:
        counts = f"{document['excluded']} excluded by the criteria, {document['rejected']} rejected"
        say(f"{document['studies']} studies evaluated, {counts}")
        if not has_report and not published:
            say("--out REPORT writes every table of every dataset, the figures and a page")


def _print_summary(evaluation: Evaluation) -> None:
    """The few lines that are read first."""
    from cohort.bmd import BmdClass
    from pipeline.evaluation.estimable import interval_text

    rows: list[list[str]] = []
    for name, dataset in evaluation.datasets.items():
        found = dataset.classification
        if found is None:
            rows.append([name, str(dataset.studies), "0", "-", "-", "-", "-"])
            continue
        one, words = found.classes[BmdClass.OSTEOPOROSIS], found.classes[BmdClass.OSTEOPOROSIS].not_estimable
        rows.append(
            [
                name,
                str(dataset.studies),
                str(found.studies),
                interval_text(one.auc, word=words.get("auc", words.get("auc_interval"))),
                interval_text(one.sensitivity, 100, 1, words.get("sensitivity")),
                interval_text(one.specificity, 100, 1, words.get("specificity")),
                interval_text(found.accuracy, 100, 1),
            ]
        )
    columns = ["dataset", "studies", "with class and DXA", "AUC of osteoporosis"]
    print_table("Summary (95 % intervals)", [*columns, "sensitivity %", "specificity %", "accuracy %"], rows)


def _print_groups(tables: Mapping[str, pd.DataFrame], datasets: Sequence[str]) -> None:
    """The tables that the terminal shows, under their headings; of several datasets the last one, which pools them."""
    from pipeline.evaluation.tables.evaluation import by_group

    for group, members in by_group(tables).items():
        shown = [table for table in members if table.on_terminal]
        if shown:
            print_heading(group if len(datasets) == 1 else f"{group} ({datasets[-1]})")
        for table in shown:
            _print_frame(table.title, _of_last(tables[table.name], datasets))


def _of_last(table: pd.DataFrame, datasets: Sequence[str]) -> pd.DataFrame:
    """Rows or columns of the last dataset alone, where a table has those of several."""
    if "dataset" in table.columns and len(datasets) > 1:
        own = table[table["dataset"] == datasets[-1]]
        return own if len(own) < 2 else own.drop(columns="dataset")
    others = [name for name in datasets[:-1] if name in table.columns]
    return table.drop(columns=others) if datasets[-1] in table.columns else table


def _print_published(evaluation: Evaluation) -> None:
    from pipeline.evaluation.report.tables import TITLES, published_tables

    tables = published_tables(evaluation)
    for name, title in TITLES.items():
        if len(tables[name]):
            _print_frame(title, tables[name])


def _print_frame(title: str, table: pd.DataFrame) -> None:
    if table.empty:
        return
    print_table(title, list(table.columns), table.astype(object).where(table.notna(), "").to_numpy().tolist())
