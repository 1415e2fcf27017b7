"""What README and docs show can be done: every Python block runs, every command line is one that the program takes."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.main import app
from tests import EXAMPLES, ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "weights" / "README.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if "decisions" not in page.parts),
]
FENCE = re.compile(r"^```(\w+)[ ]*([\w-]*)\n(.*?)^```", re.M | re.S)


def blocks(page: Path, language: str) -> list[str]:
    """Blocks of a language that are to be run."""
    found = FENCE.findall(page.read_text("utf-8"))
    return [text for name, mark, text in found if name == language and mark != "no-run"]


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]
COMMAND_LINES = [
    (page, line)
    for page in PAGES
    for text in blocks(page, "sh")
    for line in text.replace("\\\n", " ").splitlines()
    if line.split("#")[0].split()[:1] == ["osteolens"]
]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_python_blocks_run(page: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    code = "\n".join(blocks(page, "python"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_readme_shows_python() -> None:
    assert ROOT / "README.md" in WITH_PYTHON


@pytest.mark.parametrize(("page", "line"), COMMAND_LINES, ids=lambda value: value if isinstance(value, str) else "")
def test_command_lines_are_taken(page: Path, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: Any = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands") or set(words) <= {"--help", "--version"}, f"{line}: no such command"
    taken = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        if word.startswith("-") and not re.fullmatch(r"-\d+(\.\d+)?", word):
            assert word.split("=")[0] in {*taken, "--help", "-h"}, f"{name_of(page)}: {line}: no option {word}"
