"""One command line: options that several commands share are spelt alike, and every command can be made quiet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli.main import app
from tests import EXAMPLES
from tests.importing import BOXES, picture, yolo_folder, yolo_line


def commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by its words."""
    for word, sub in getattr(command, "commands", {}).items():
        whole = f"{name} {word}".strip()
        if hasattr(sub, "commands"):
            yield from commands(sub, whole)
        else:
            yield whole, sub


COMMANDS = dict(commands(get_command(app)))

SERVICES = {"node run"}
"""Commands that run until they are stopped and have no result; `node status` tells of one."""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_verbose_and_quiet(name: str) -> None:
    taken = {opt for parameter in COMMANDS[name].params for opt in parameter.opts}
    assert {"--verbose", "-v", "--quiet", "-q"} <= taken


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - SERVICES))
def test_every_command_prints_json_where_it_prints_a_result(name: str) -> None:
    assert "--json" in {opt for parameter in COMMANDS[name].params for opt in parameter.opts}


def test_options_of_several_commands_are_spelt_alike() -> None:
    spellings: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for command in COMMANDS.values():
        for parameter in command.params:
            for opt in parameter.opts:
                if opt.startswith("--"):
                    spellings[opt].add((*parameter.opts, *parameter.secondary_opts))
    assert not {opt: own for opt, own in spellings.items() if len(own) > 1}


@pytest.mark.parametrize("name", ["process", "evaluate", "validate", "compare-rois", "reproduce", "info"])
def test_commands_that_users_know_are_there(name: str) -> None:
    assert name in COMMANDS


def test_every_option_has_help() -> None:
    without = [
        f"{name} {parameter.opts[0]}"
        for name, command in COMMANDS.items()
        for parameter in command.params
        if not getattr(parameter, "help", None) and parameter.name != "help"
    ]
    assert not without


def test_info_says_what_is_installed() -> None:
    done = CliRunner().invoke(app, ["info"])
    assert done.exit_code == 0
    for word in ("osteolens", "CPUExecutionProvider", "AGPL-3.0", "2026.", "process --explain"):
        assert word in done.stdout


def test_quiet_is_told_alike_and_keeps_the_result() -> None:
    told = {p.help for one in COMMANDS.values() for p in one.params if "--quiet" in p.opts}
    assert told == {"The result and errors alone, no other messages."}


@pytest.mark.parametrize("name", ["weights verify", "evaluate", "cohort import"])
def test_a_quiet_command_prints_its_result_and_no_message(name: str, results: Path, tmp_path: Path) -> None:
    source = yolo_folder(tmp_path / "yolo", {"film_AP": yolo_line("L1", BOXES["L1"])})
    picture(source / "images" / "film_AP.png")
    given = {
        "evaluate": [str(results), "--examples"],
        "cohort import": ["yolo", str(source), str(tmp_path / "out"), "--dry-run"],
    }
    command = [*name.split(), *given.get(name, [])]
    loud, quiet = CliRunner().invoke(app, command), CliRunner().invoke(app, [*command, "--quiet"])
    assert loud.exit_code == quiet.exit_code == 0, quiet.output
    assert loud.stdout == quiet.stdout != "" and not quiet.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the six examples, one of them damaged."""
    out = tmp_path_factory.mktemp("quiet") / "out"
    assert CliRunner().invoke(app, ["process", str(EXAMPLES), "--out", str(out), "--quiet"]).exit_code == 0
    min((out / "studies").iterdir()).write_text("{")
    return out
