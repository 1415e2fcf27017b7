"""The command `osteolens`."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from cli.cohort import cohort_app
from cli.compare_rois import compare_rois
from cli.config import config_app
from cli.console import errors_as_exit_codes, print_json, print_table, set_verbosity
from cli.deidentify.command import deidentify
from cli.ensemble.command import ensemble
from cli.evaluate import evaluate, evaluate_bodies, validate
from cli.known_groups.command import evaluate_groups
from cli.node.commands import node_app
from cli.options import AsJson, Quiet, Verbose, Weights
from cli.process import process
from cli.recalibrate.command import recalibrate
from cli.reproduce import reproduce
from cli.review.command import review
from cli.simulate import simulate_app
from cli.train import train_app
from cli.training.commands import search, train_all
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
app.command("evaluate-groups")(evaluate_groups)
app.add_typer(simulate_app, name="simulate")
app.command()(reproduce)
app.command("compare-rois")(compare_rois)
train_app.command("all")(train_all)
train_app.command("search")(search)
app.add_typer(train_app, name="train")
app.add_typer(node_app, name="node")
app.command()(deidentify)
app.command()(review)
weights_app.command("recalibrate")(recalibrate)
weights_app.command("ensemble")(ensemble)
app.add_typer(weights_app, name="weights")
app.add_typer(config_app, name="config")

ADDS = {
    "train": "train, simulate, reproduce, process --explain",
    "search": "train search",
    "node": "node",
    "dicom": "process --dicom, deidentify",
    "fhir": "process --fhir",
    "review": "review",
    "test": "make test",
    "dev": "make check",
}
"""What each extra adds to the base install."""

NAME = re.compile(r"^[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """One extra of the installation.

    Attributes:
        name: as in `pip install 'osteolens[NAME]'`.
        adds: commands that need it.
        missing: packages of it that are not installed.
    """

    name: str
    adds: str
    missing: tuple[str, ...]


@app.command()
def info(weights: Weights = None, as_json: AsJson = False, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """Print version, weights with their hashes, licences, what inference runs on, and what each extra adds."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        import platform
        from importlib.metadata import version

        import onnxruntime

        from pipeline.bundle.load import load_bundle

        bundle = load_bundle(weights)
        versions = {
            "osteolens": version("osteolens"),
            "python": platform.python_version(),
            "onnxruntime": onnxruntime.__version__,
            "providers": ", ".join(onnxruntime.get_available_providers()),
            "licence": "AGPL-3.0-or-later, the weights included",
        }
        extras = [extra_of(name) for name in ADDS]
        if as_json:
            print_json({**versions, "weights": bundle.identifiers, "extras": [asdict(extra) for extra in extras]})
            return
        print_table("OsteoLens", ["what", "value"], [list(row) for row in versions.items()])
        print_table("weights", ["part", "version or SHA-256"], [list(row) for row in bundle.identifiers.items()])
        rows = [[e.name, e.adds, f"lacks {', '.join(e.missing)}" if e.missing else "installed"] for e in extras]
        print_table("extras", ["extra", "adds", "state"], rows)


def extra_of(name: str) -> Extra:
    """One extra and which of its packages are not installed."""
    from importlib.metadata import PackageNotFoundError, distribution, requires

    missing = []
    for line in requires("osteolens") or ():
        package = NAME.match(line)
        if package is None or not re.search(rf"extra == ['\"]{name}['\"]", line):
            continue
        try:
            distribution(package[0])
        except PackageNotFoundError:
            missing.append(package[0])
    return Extra(name=name, adds=ADDS[name], missing=tuple(missing))


def _version(requested: bool) -> None:
    if requested:
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
