"""osteolens config: the settings, their bounds, and the recipes that are shipped."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import errors_as_exit_codes, print_json, print_table, set_verbosity
from cli.options import AsJson, Quiet, Verbose

if TYPE_CHECKING:
    from osteolens.config import StrictConfig
    from osteolens.settings import Setting

config_app = typer.Typer(help="Settings: their names, defaults and bounds, and shipped recipes.", no_args_is_help=True)

SETTINGS = {
    "screening": ("pipeline.screening.config", "ScreeningConfig"),
    "evaluation": ("pipeline.evaluation.config", "EvaluationConfig"),
    "recalibration": ("pipeline.recalibration.config", "RecalibrationConfig"),
    "comparison": ("pipeline.roi_comparison.config", "ComparisonConfig"),
    "check": ("cohort.check", "CheckConfig"),
    "training.detector": ("detect.training.config", "DetectorTraining"),
    "training.segmenter": ("detect.training.config", "SegmenterTraining"),
    "training.classifier": ("classify.training.config", "ClassifierTraining"),
    "training.all": ("pipeline.training.every_stage", "EveryTraining"),
    "training.search": ("pipeline.training.search.space", "SearchSpace"),
    "features": ("pipeline.training.feature_stream", "FeatureStream"),
    "population": ("phantom.subject.population", "PopulationConfig"),
    "audit": ("pipeline.audit.config", "AuditConfig"),
    "node": ("pipeline.node.config", "NodeConfig"),
}
"""Where the class of each group of settings is defined, by the name that people use."""

USED_BY = {
    "screening": "process",
    "evaluation": "evaluate, validate",
    "recalibration": "weights recalibrate",
    "comparison": "compare-rois",
    "check": "cohort check",
    "training.detector": "train detector",
    "training.segmenter": "train segmenter",
    "training.classifier": "train classifier, train search, reproduce",
    "training.all": "train all",
    "training.search": "train search --space",
    "features": "simulate features",
    "population": "simulate cohort",
    "audit": "simulate audit",
    "node": "node",
}
"""Commands that take each group of settings by --config and --set."""


def settings_class(name: str) -> type[StrictConfig]:
    """The class of a group of settings.

    Raises:
        KeyError: no such group.
    """
    module, attribute = SETTINGS[name]
    settings: type[StrictConfig] = getattr(import_module(module), attribute)
    return settings


@config_app.command("list")
def list_(as_json: AsJson = False, verbose: Verbose = 0, quiet: Quiet = False) -> None:
    """List the groups of settings, the commands that take them, and the recipes that are shipped for them."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from osteolens.config import recipes_of

        recipes = {name: recipes_of(settings_class(name)) for name in SETTINGS}
        if as_json:
            print_json([{"name": n, "commands": USED_BY[n].split(", "), "recipes": recipes[n]} for n in SETTINGS])
            return
        rows = [[name, USED_BY[name], ", ".join(recipes[name])] for name in SETTINGS]
        print_table("Settings: `osteolens config show NAME`", ["name", "commands", "recipes (--config)"], rows)


@config_app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Group of settings, as `osteolens config list` names them.")],
    as_json: AsJson = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Show every setting of a group: its key for --set, default, what it may be, and what it does."""
    set_verbosity(verbose, quiet)
    with errors_as_exit_codes():
        from osteolens.settings import settings_of

        if name not in SETTINGS:
            close = difflib.get_close_matches(name, SETTINGS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(SETTINGS)}"
            raise typer.BadParameter(f"got {name!r}; {hint}", param_hint="NAME")
        settings = settings_of(settings_class(name))
        if as_json:
            print_json([_document(setting) for setting in settings])
            return
        rows = [[s.key, _shown(s.default), s.expected, s.description] for s in settings]
        print_table(f"Settings of {name}", ["key", "default", "expected", "meaning"], rows)


def _document(setting: Setting) -> dict[str, object]:
    return {
        "key": setting.key,
        "default": setting.default,
        "expected": setting.expected,
        "description": setting.description,
    }


def _shown(value: object) -> str:
    """A value as it would stand after `--set key=`."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return f"[{', '.join(_shown(one) for one in value)}]"
    return json.dumps(value)
