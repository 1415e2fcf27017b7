"""Settings can be listed and shown, and every group that a command takes is among them."""

from __future__ import annotations

import ast
import json

import pytest
import yaml
from typer.testing import CliRunner

from classify.training.config import ClassifierTraining
from cli.config import SETTINGS, USED_BY, config_app, settings_class
from osteolens.config import load_config
from osteolens.settings import settings_of
from tests import ROOT

runner = CliRunner()


def test_every_class_of_settings_that_a_command_loads_is_listed() -> None:
    loaded = set()
    for path in (ROOT / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "load_config":
                assert isinstance(node.args[0], ast.Name), f"{path.name}: load_config of what is no class"
                loaded.add(node.args[0].id)
    assert loaded == {name for _, name in SETTINGS.values()}
    assert list(USED_BY) == list(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_described_on_one_line(name: str) -> None:
    for setting in settings_of(settings_class(name)):
        assert setting.description and "\n" not in setting.description, setting.key
        assert setting.expected, setting.key


@pytest.mark.parametrize("name", SETTINGS)
def test_every_default_can_be_set_as_it_is_shown(name: str) -> None:
    kind = settings_class(name)
    rows = json.loads(runner.invoke(config_app, ["show", name, "--json"]).stdout)
    overrides = [f"{row['key']}={json.dumps(row['default'])}" for row in rows if row["default"] is not None]
    assert load_config(kind, None, overrides) == kind()


def test_a_group_is_shown_as_a_table() -> None:
    done = runner.invoke(config_app, ["show", "training.classifier"])
    assert done.exit_code == 0, done.output
    for text in ("preprocess.size_px", "96", "an integer, 64 to 1024", "resolution_schedule", "[[64, 8]"):
        assert text in done.stdout, text


def test_the_list_names_groups_commands_and_recipes() -> None:
    (found,) = (r for r in json.loads(runner.invoke(config_app, ["list", "--json"]).stdout) if r["recipes"])
    assert found == {
        "name": "training.classifier",
        "commands": ["train classifier", "train search", "reproduce"],
        "recipes": ["few-films", "paper-column"],
    }
    assert "paper-column" in runner.invoke(config_app, ["list"]).stdout


def test_an_unknown_group_is_wrong_usage_with_the_closest_name() -> None:
    done = runner.invoke(config_app, ["show", "training.clasifier"])
    assert done.exit_code == 2 and "training.classifier" in done.stderr


def test_the_recipe_says_all_of_the_preprocessing() -> None:
    """What a recipe leaves open comes from the defaults of training, which are those of single bodies."""
    path = ROOT / "classify" / "training" / "recipes" / "paper_column.yaml"
    given = yaml.safe_load(path.read_text("utf-8"))["preprocess"]
    differing = {n for n in given if getattr(ClassifierTraining().preprocess, n) != given[n]}
    assert differing == {"roi", "size_px", "margin_across", "margin_along", "sigma_px", "equalised"}
