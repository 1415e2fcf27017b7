"""The command `osteolens`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.cohort import cohort_app
from cli.compare_rois import compare_rois
from cli.evaluate import evaluate, evaluate_bodies, validate
from cli.process import process
from cli.reproduce import reproduce
from cli.simulate import simulate_app
from cli.train import train_app
from cli.weights import weights_app

app = typer.Typer(
    name="osteolens",
    help="Screen lumbar radiographs for osteopenia and osteoporosis. Research use; not a medical device.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(process)
app.add_typer(cohort_app, name="cohort")
app.command()(evaluate)
app.command()(validate)
app.command("evaluate-bodies")(evaluate_bodies)
app.add_typer(simulate_app, name="simulate")
app.command()(reproduce)
app.command("compare-rois")(compare_rois)
app.add_typer(train_app, name="train")
app.add_typer(weights_app, name="weights")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"osteolens {version('osteolens')}")
        raise typer.Exit()


@app.callback()
def main(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Screen lumbar radiographs for osteopenia and osteoporosis. Research use; not a medical device."""


if __name__ == "__main__":
    app()
