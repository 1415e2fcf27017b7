"""osteolens evaluate-groups: what T-scores must show in radiographs with age and sex and without DXA."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.console import errors_as_exit_codes, print_json, print_table, say, set_verbosity


def evaluate_groups(
    results: Annotated[
        Path, typer.Argument(help="Output folder of `osteolens process FOLDER --set input_ablation=true`.")
    ],
    cohort: Annotated[
        Path | None, typer.Argument(help="Folder with cohort.csv, for age and sex; those of the results if left out.")
    ] = None,
    out: options.ReportOut = None,
    as_json: options.AsJson = False,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> None:
    """Known groups without DXA: T-scores from images alone by age, in women and men, and from either view. No model.

    T-scores fall with age, those of women lie below those of men of equal age after 50, and both views of a patient
    agree. One study of a patient counts. This says whether estimates see bone, not how right they are.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from cohort.in_silico import notice_of
        from pipeline.evaluation.report.page import check_folder
        from pipeline.known_groups.groups import known_groups
        from pipeline.known_groups.page import write_known_groups
        from pipeline.known_groups.tables import TITLES, known_group_tables

        if out is not None:
            check_folder(out, results, results if cohort is None else cohort)
        groups = known_groups(results, cohort)
        if out is not None:
            write_known_groups(out, groups, "" if cohort is None else notice_of(cohort))
        if as_json:
            print_json(groups.as_json())
        else:
            for name, table in known_group_tables(groups).items():
                if len(table):
                    print_table(TITLES[name], list(table.columns), table.astype(object).to_numpy().tolist())
        if not quiet:
            say(f"{len(groups.observations.usable)} patients of {groups.observations.results} results")
            if out is not None:
                say(f"report: {out / 'report.html'}")
