"""osteolens evaluate: results against manual ROIs and DXA."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.console import errors_as_exit_codes, print_json, print_table, progress, say, say_damaged, set_verbosity


class DefaultsToResults(TyperGroup):
    """`osteolens evaluate OUT COHORT` is `osteolens evaluate results OUT COHORT`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before a first argument that names none."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["results", *args]
        return super().parse_args(ctx, args)


evaluate_app = typer.Typer(
    cls=DefaultsToResults,
    no_args_is_help=True,
    help="Judge an output folder of `osteolens process` against manual ROIs and DXA. Runs no model.",
)

Results = Annotated[Path, typer.Argument(help="Output folder of `osteolens process`.")]
ResultsOrCohort = Annotated[
    Path, typer.Argument(help="Output folder of `osteolens process`, or a cohort folder to screen first (with --out).")
]
Cohort = Annotated[
    Path | None, typer.Argument(help="Folder with cohort.csv and rois.csv; the six examples when left out.")
]
Site = Annotated[str | None, typer.Option(help="Only studies of this site in cohort.csv; several with commas.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Verbose = Annotated[int, typer.Option("-v", count=True, help="More messages.")]
Quiet = Annotated[bool, typer.Option("-q", help="Errors alone.")]


@evaluate_app.command("results")
def results(
    results: ResultsOrCohort,
    cohort: Cohort = None,
    site: Site = None,
    everyone: Annotated[bool, typer.Option("--everyone", help="Judge excluded patients too.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Also write a report with tables and figures into this folder.")
    ] = None,
    drawn: Annotated[
        Path | None,
        typer.Option(help="Output folder of `osteolens process --rois`: splits the loss between the stages."),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Another folder of weights to screen a cohort with.")] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="Print Tables 1 to 4 in the paper's layout, its own lines beside.")
    ] = False,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Compare results with manual ROIs (level and overlap) and with DXA classes (AUC, accuracy).

    `osteolens evaluate COHORT --out REPORT` screens the cohort first, on the detector's ROIs and on those of its
    rois.csv, and reports on both.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from pipeline.evaluation.evaluate import evaluate_results

        if cohort is None and out is not None and (results / "cohort.csv").is_file():
            from pipeline.screening.cohort import screen_cohort

            cohort = results
            with progress("screening, %", 100) as bar:
                results, drawn = screen_cohort(cohort, out, site, weights, lambda now, whole: bar(100 * now // whole))
        judged_by = cohort or _examples()
        figures = evaluate_results(results, judged_by, site, everyone)
        whole: dict[str, Any] = {}
        if out is not None or paper:
            from pipeline.evaluation.report.write import report_results

            whole = report_results(results, judged_by, out, site, everyone, drawn)
        say_damaged({**figures, **whole.get("not_judged", {})})
        if out is not None:
            say(f"report: {out / 'report.html'}")
        if paper:
            from pipeline.evaluation.report.tables import paper_tables

            for title, table in paper_tables(whole).items():
                print_table(
                    title, list(table.columns), table.astype(object).where(table.notna(), "").to_numpy().tolist()
                )
        elif as_json:
            print_json(figures)
        else:
            print_table("evaluation", ["measure", "value"], _rows(figures))


@evaluate_app.command("detector")
def detector(
    results: Results,
    cohort: Cohort = None,
    site: Site = None,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Judge the boxes alone: mAP, overlap, naming, errors in mm; by view and level, site and finding."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from pipeline.evaluation.detection import evaluate_detector

        figures = evaluate_detector(results, cohort or _examples(), site)
        say_damaged(figures)
        if as_json:
            print_json(figures)
            return
        views = {name: figures["eligible"].pop(name) for name in ("AP", "LATERAL") if name in figures["eligible"]}
        print_table("eligible studies", ["measure", "value"], _rows(figures["eligible"]))
        for name, own in views.items():
            print_table(name, ["measure", "value"], _rows(own))
        for title, groups in (("by site", figures["by_site"]), ("by finding, everyone", figures["by_finding"])):
            if groups:
                columns = [c for c in next(iter(groups.values())) if c != "not_estimable"]
                rows = [[name, *(_shown(own, c) for c in columns)] for name, own in groups.items()]
                print_table(title, ["group", *(c.replace("_", " ") for c in columns)], rows)
        rows = [[name, reason, count] for name, own in figures["gate"].items() for reason, count in own.items()]
        print_table("gate", ["group", "what", "studies"], rows)


@evaluate_app.command("bodies")
def bodies(
    results: Results,
    labels: Annotated[Path, typer.Argument(help="Folder of YOLO label files of one class, named as the images.")],
    lowest: Annotated[int, typer.Option(min=1, help="Annotated bodies a film that count, from the bottom.")] = 5,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Share of annotated bodies without names that were found: for public whole-spine films."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from pipeline.evaluation.unlabelled_bodies import evaluate_bodies

        figures = evaluate_bodies(results, labels, lowest)
        say_damaged(figures)
        if as_json:
            print_json(figures)
            return
        columns = [c for c in figures["all"] if c != "not_estimable"]
        rows = [[name.replace("_", " "), *(_shown(figures[name], c) for c in columns)] for name in ("all", "held_back")]
        print_table(f"lowest {lowest} bodies", ["films", *(c.replace("_", " ") for c in columns)], rows)


@evaluate_app.command("ceiling")
def ceiling(
    cohort: Annotated[Path, typer.Argument(help="Cohort folder of `osteolens simulate` with test sites.")],
    as_json: AsJson = False,
) -> None:
    """How well a simulated cohort's classes can be told at all: AUC from the true bones instead of images."""
    with errors_as_exit_codes():
        from cohort.bmd import BMD_CLASSES
        from pipeline.audit.oracle import ceiling as run

        figures = run(cohort)
        if as_json:
            print_json(figures)
            return
        known = {c for sites in figures.values() for own in sites.values() for c in own}
        classes = [c.value for c in BMD_CLASSES if c.value in known]
        rows = [
            [name, site, *(_shown(own, c) for c in classes)]
            for name, sites in figures.items()
            for site, own in sites.items()
        ]
        print_table("AUC of a regression on", ["given", "site", *classes], rows)


def _examples() -> Path:
    from importlib.resources import files

    return Path(str(files("examples")))


def _rows(figures: dict[str, Any]) -> list[list[object]]:
    words = figures.get("not_estimable", {})
    sides = {f"{k}{side}" for k in words for side in ("_low", "_high")}  # of an interval without its value
    return [
        [k.replace("_", " "), _shown(figures, k)]
        for k, value in figures.items()
        if not isinstance(value, (dict, list)) and k not in sides
    ]


def _shown(figures: dict[str, Any], key: str) -> object:
    """One figure for a table, or the word for one that is not estimable."""
    from pipeline.evaluation.estimable import told

    value = figures.get(key)
    return value if isinstance(value, int) else told(value, figures.get("not_estimable", {}).get(key))
