"""What README and docs show can be done: every Python block runs, every command line is one that the program takes, and
each of them is run by scripts/run_docs.py in CI or stands there with the reason for which it is not."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.main import app
from tests import EXAMPLES, ROOT

spec = importlib.util.spec_from_file_location("run_docs", ROOT / "scripts" / "run_docs.py")
assert spec is not None and spec.loader is not None
run_docs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run_docs)
PAGES = [ROOT / page for page in run_docs.PAGES]


def blocks(page: Path, language: str) -> list[str]:
    """Blocks of a language that are to be run."""
    found = run_docs.FENCE.findall(page.read_text("utf-8"))
    return [text for name, mark, text in found if name == language and mark != "no-run"]


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]
SHELL_LINES = [(page, line) for page in PAGES for line in run_docs.command_lines(page.relative_to(ROOT).as_posix())]
COMMAND_LINES = [(page, line) for page, line in SHELL_LINES if line.split()[0] == "osteolens"]


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


def check_taken(where: str, line: str) -> None:
    """Check that the program has a command and its options."""
    words = shlex.split(line, comments=True)[1:]
    command: Any = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands") or set(words) <= {"--help", "--version"}, f"{line}: no such command"
    taken = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        if word.startswith("-") and not re.fullmatch(r"-\d+(\.\d+)?", word):
            assert word.split("=")[0] in {*taken, "--help", "-h"}, f"{where}: {line}: no option {word}"


@pytest.mark.parametrize(("page", "line"), COMMAND_LINES, ids=lambda value: value if isinstance(value, str) else "")
def test_command_lines_are_taken(page: Path, line: str) -> None:
    check_taken(name_of(page), line)


@pytest.mark.parametrize("recipe", ["make_weights.sh", "make_classifier.sh"])
def test_command_lines_of_a_recipe_are_taken(recipe: str, tmp_path: Path) -> None:
    for folder in ("scripts", "runs"):
        (tmp_path / folder).mkdir()
    shutil.copy(ROOT / "scripts" / recipe, tmp_path / "scripts")
    lens, told = tmp_path / "lens", tmp_path / "told"
    lens.write_text(f"#!/usr/bin/env bash\nprintf '%q ' osteolens \"$@\" >> {told}\necho >> {told}\n")
    lens.chmod(0o755)
    given = {**os.environ, "LENS": str(lens), "SHARE": "5"}
    subprocess.run(["bash", str(tmp_path / "scripts" / recipe), "", "2026.1.1"], env=given, check=True)
    lines = told.read_text().splitlines()
    assert len(lines) > 9
    for line in lines:
        check_taken(recipe, line)
    if recipe == "make_classifier.sh":
        assert "--sites training:80 " in lines[0] and "--sites test1:16\\,test2:16 " in lines[-2]
        assert not any("--anatomy" in line for line in lines), "without meshes, the built-in bones"


def test_every_command_is_run_or_the_reason_is_told() -> None:
    known = ("osteolens ", "mkdir ", "cp ")
    strange = [line for _, line in SHELL_LINES if not line.startswith(known) and run_docs.why_not_run(line) is None]
    assert not strange, f"scripts/run_docs.py neither runs these nor says why: {strange}"
    stale = [reason for reason in run_docs.NOT_RUN if not any(re.match(reason, line) for _, line in SHELL_LINES)]
    assert not stale, f"no page has these commands any more: {stale}"


def written(line: str) -> set[str]:
    """Folders of runs/ that a command writes."""
    return {word for option, word in pairwise(shlex.split(line)) if option == "--out"}


def without_input(lines: list[str], there: set[str]) -> list[str]:
    """Commands that would be run on a folder of runs/ that neither is there nor is written by an earlier one."""
    missing = []
    for line in lines:
        if run_docs.why_not_run(line):
            continue
        read = {word for word in shlex.split(line) if re.fullmatch(r"runs/[\w./-]+", word)} - written(line)
        if not all(any(Path(word).is_relative_to(folder) for folder in there) for word in read):
            missing.append(line)
        there = there | written(line)
    return missing


FROM_THE_TUTORIAL = set().union(*map(written, run_docs.command_lines(run_docs.TUTORIAL)))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_command_that_is_run_finds_what_it_reads(page: Path) -> None:
    there = set() if name_of(page) == run_docs.TUTORIAL else FROM_THE_TUTORIAL
    missing = without_input(run_docs.command_lines(name_of(page)), there)
    assert not missing, f"{name_of(page)}: no command that is run writes what these read: {missing}"


def test_a_command_whose_cohort_is_not_made_is_told() -> None:
    made = "osteolens simulate cohort --out runs/some --seed 5"
    reads = "osteolens process runs/some/films --out out"
    assert without_input([reads], set()) == [reads]
    assert without_input([f"{made} --anatomy DIR", reads], set()) == [reads], "a command that is not run makes nothing"
    assert not without_input([made, reads], set())


def test_a_command_of_the_tutorial_is_made_small_and_stays_one_that_is_taken() -> None:
    for line in run_docs.command_lines(run_docs.TUTORIAL):
        if line.startswith("osteolens"):
            check_taken(run_docs.TUTORIAL, run_docs.smaller(line))
    assert run_docs.smaller("osteolens train detector C --out r") == (
        "osteolens train detector C --out r --set epochs=1 --set renders=1"
    )
    assert run_docs.smaller("osteolens review out cohort").endswith(" --export exported")


def test_the_tutorial_goes_from_a_cohort_to_corrected_boxes() -> None:
    commands = " ".join(run_docs.command_lines(run_docs.TUTORIAL))
    for word in ("simulate cohort", "cohort check", "detector", "segmenter", "classifier", "assemble", "process"):
        assert word in commands
    assert "evaluate" in commands and "compare-rois" in commands and "review" in commands
