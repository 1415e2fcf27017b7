"""osteolens weights ensemble: weights whose classifier is the mean of several."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli import options
from cli.console import errors_as_exit_codes, print_json, say, set_verbosity


def ensemble(
    members: Annotated[list[Path], typer.Argument(help="Folders of weights, such as RUN/fold-1/weights, two or more.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder of weights.")],
    release: Annotated[str, typer.Option("--release", help="Name of the new weights, which every prediction tells.")],
    as_json: options.AsJson = False,
    verbose: options.Verbose = 0,
    quiet: options.Quiet = False,
) -> None:
    """Average the calibrated class probabilities and T-scores of several classifiers, such as those of folds.

    The members need the same detector, segmenter and inputs. Prediction sets and thresholds are reset; `osteolens
    weights recalibrate` fits them.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from pipeline.bundle.ensemble import ensemble_weights

        notes = ensemble_weights(members, out, release)
        if as_json:
            print_json({"folder": str(out), "release": release, "members": list(map(str, members)), "notes": notes})
        if not quiet:
            for note in notes:
                say(note)
            say(f"weights {release}, the mean of {len(members)} classifiers, in {out}; use them with --weights {out}")
