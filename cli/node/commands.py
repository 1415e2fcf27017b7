"""osteolens node: receive radiographs by DICOM, screen them, send the results back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, set_verbosity
from cli.options import AsJson, Quiet, Set, Verbose

if TYPE_CHECKING:
    from pipeline.node.config import NodeConfig

node_app = typer.Typer(
    help="A DICOM node: receives radiographs, screens each study, sends the results back.", no_args_is_help=True
)

Config = Annotated[str | None, typer.Option("--config", help="YAML file of settings (`osteolens config show node`).")]


@node_app.command()
def run(config: Config = None, set_: Set = None, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """Run until SIGINT or SIGTERM; after whatever ended it, the same command goes on. Needs the extra 'node'.

    Logs hold no identifiers: studies are named by hashes.
    """
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from osteolens.extras import require

        require("node", "pynetdicom", "dicomweb_client", extra="node")
        from pipeline.node.run import run_node

        run_node(_settings(config, set_), logging.getLogger().level)


@node_app.command()
def status(
    config: Config = None,
    set_: Set = None,
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Print studies by state, what waits and why, whether the node runs or not."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from pipeline.node.monitor import node_status

        found = node_status(_settings(config, set_).folder)
        if as_json:
            print_json(found.as_json())
            return
        print_table("studies", ["state", "studies"], [[state, str(n)] for state, n in found.studies.items()])
        if found.reasons:
            rows = [[study, state, str(attempts), reason] for study, state, attempts, reason in found.reasons]
            print_table("failed or tried again", ["study", "state", "attempts", "reason"], rows)


def _settings(config: str | None, set_: list[str] | None) -> NodeConfig:
    from osteolens.config import load_config
    from pipeline.node.config import NodeConfig

    return load_config(NodeConfig, config, set_ or ())
