"""osteolens deidentify."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from tests.cohort.deidentify.stuffed import film, save

runner = CliRunner()


def test_it_lists_what_stayed_and_never_shows_the_key(tmp_path: Path) -> None:
    save(film(), tmp_path / "in" / "a.dcm")
    key = tmp_path / "key"
    key.write_bytes(b"secret-secret-secret-secret")
    arguments = ["deidentify", str(tmp_path / "in"), str(tmp_path / "out"), "--key", str(key)]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "PixelSpacing" in result.output
    assert "secret" not in result.output
    assert "MRN4711" not in result.output
    again = runner.invoke(app, [*arguments, "--json"])
    assert json.loads(again.stdout)["files"] == {"written": 0, "there already": 1, "refused": 0}


def test_refused_files_make_exit_code_3(tmp_path: Path) -> None:
    save(film(), tmp_path / "in" / "a.dcm")
    (tmp_path / "in" / "b.png").write_bytes(b"x" * 300)
    result = runner.invoke(app, ["deidentify", str(tmp_path / "in"), str(tmp_path / "out")])
    assert result.exit_code == 3


def test_a_key_in_the_output_is_rejected(tmp_path: Path) -> None:
    save(film(), tmp_path / "in" / "a.dcm")
    (tmp_path / "out").mkdir()
    key = tmp_path / "out" / "key"
    key.write_bytes(b"k" * 32)
    result = runner.invoke(app, ["deidentify", str(tmp_path / "in"), str(tmp_path / "out"), "--key", str(key)])
    assert result.exit_code == 1
    assert "keep it apart" in result.output
