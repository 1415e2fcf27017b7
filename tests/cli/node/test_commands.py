"""The commands of the node say in one line what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from pipeline.node.films import NodeFolders
from pipeline.node.queue import StudyQueue

runner = CliRunner()


def test_status_prints_the_states_of_a_queue(tmp_path: Path) -> None:
    folders = NodeFolders(tmp_path / "node")
    folders.make()
    StudyQueue(folders.queue).close()
    done = runner.invoke(app, ["node", "status", "--set", f"folder={tmp_path / 'node'}", "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["studies"] == dict.fromkeys(
        ("received", "screening", "made", "sending", "sent", "failed"), 0
    )
    shown = runner.invoke(app, ["node", "status", "--set", f"folder={tmp_path / 'node'}"])
    assert "received" in shown.stdout


def test_status_of_no_node_is_an_error(tmp_path: Path) -> None:
    done = runner.invoke(app, ["node", "status", "--set", f"folder={tmp_path / 'none'}"])
    assert done.exit_code == 1 and "no node has run here" in done.stderr
    assert not (tmp_path / "none").exists()


def test_a_node_without_peers_does_not_run(tmp_path: Path) -> None:
    done = runner.invoke(app, ["node", "run", "--set", f"folder={tmp_path / 'node'}", "--set", "http_port=0"])
    assert done.exit_code == 1 and "receive.peers" in done.stderr


def test_a_node_that_sends_by_stow_needs_an_address(tmp_path: Path) -> None:
    done = runner.invoke(app, ["node", "run", "--set", f"folder={tmp_path}", "--set", "send.protocol=stow-rs"])
    assert done.exit_code == 1 and "send.url" in done.stderr
