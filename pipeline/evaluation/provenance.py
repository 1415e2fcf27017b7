"""Where an evaluation comes from: versions, time, command, weights, settings and tables."""

from __future__ import annotations

import platform
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import JsonValue

from cohort.io.digest import sha256_of
from cohort.mapping.columns_file import table_files
from osteolens.documents.json_document import read_json
from osteolens.documents.text import visible
from osteolens.errors import ReadError
from pipeline.evaluation.config import EvaluationConfig
from pipeline.evaluation.fresh import FreshTest
from pipeline.prediction import ModelIdentifiers, Prediction

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "pydantic")
"""Whose versions can change a figure."""

RUN = "run.json"
"""Record that the last screening run left in its output folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedWeights:
    """Weights and settings that results were made with.

    Attributes:
        version: of the weights.
        hashes: start of the SHA-256 of each weights file, by its name.
        settings: digest of the settings of the screening.
        rois: digest of the manual ROIs that were classified on, or None.
        results: made with them.
    """

    version: str
    hashes: Mapping[str, str]
    settings: str
    rois: str | None
    results: int


@dataclass(frozen=True, slots=True)
class TableDigest:
    """A table of the cohort folder and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningRun:
    """The last screening run into the results folder, as its run.json tells it.

    Attributes:
        software: versions of what ran.
        weights: version and hashes.
        settings: every setting and its value.
    """

    software: Mapping[str, str]
    weights: Mapping[str, str]
    settings: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where an evaluation comes from.

    Attributes:
        osteolens: version that evaluated.
        created: time of the evaluation, UTC.
        command: the command line as given, the program by its name alone.
        python: version.
        libraries: versions by name.
        results: read from the results folder, rejected and failed ones among them.
        weights: that the results name, those of the most results first.
        screening: the last screening run; None without a run.json that can be read.
        config: settings of the evaluation, the criteria of eligibility among them.
        tables: of the cohort folder, those that are there.
        warnings: what makes the results no result of one version.
        fresh: what a fresh test cohort says of these results; None for every other cohort.
    """

    osteolens: str
    created: datetime
    command: str
    python: str
    libraries: Mapping[str, str]
    results: int
    weights: tuple[UsedWeights, ...]
    screening: ScreeningRun | None
    config: EvaluationConfig
    tables: tuple[TableDigest, ...]
    warnings: tuple[str, ...]
    fresh: FreshTest | None = None

    def as_json(self) -> dict[str, object]:
        """One object for the JSON of an evaluation, the time in ISO 8601."""
        screening = self.screening
        return {
            "osteolens": self.osteolens,
            "created": self.created.isoformat(timespec="seconds"),
            "command": self.command,
            "python": self.python,
            "libraries": dict(self.libraries),
            "results": self.results,
            "weights": [
                {
                    "version": used.version,
                    "hashes": dict(used.hashes),
                    "settings": used.settings,
                    "rois": used.rois,
                    "results": used.results,
                }
                for used in self.weights
            ],
            "screening": None
            if screening is None
            else {
                "software": dict(screening.software),
                "weights": dict(screening.weights),
                "settings": dict(screening.settings),
            },
            "config": self.config.model_dump(mode="json"),
            "tables": {table.name: table.sha256 for table in self.tables},
            "warnings": list(self.warnings),
            **({} if self.fresh is None else {"fresh_test": self.fresh.as_json()}),
        }


def provenance(
    results: Path,
    cohort: Path,
    predictions: Sequence[Prediction],
    config: EvaluationConfig,
    command: Sequence[str] | None = None,
    fresh: FreshTest | None = None,
) -> Provenance:
    """Where an evaluation comes from, told at this moment.

    Args:
        results: output folder of `osteolens process`; its run.json tells the settings.
        cohort: folder with the tables that are evaluated against.
        predictions: every result of the folder.
        config: settings of the evaluation.
        command: program and arguments; those of this process when left out.
        fresh: what a fresh test cohort says of these results; None for every other cohort.

    Raises:
        ReadError: a table of the cohort folder is there and cannot be read.
    """
    weights = _weights_of(predictions)
    run, problem = _run_of(results / RUN)
    warnings = [] if problem is None else [problem]
    if len(weights) > 1:
        counted = "; ".join(_told(used) for used in weights)
        warnings.append(f"results of {len(weights)} different weights or settings are evaluated together: {counted}")
    if run is not None and weights:
        version_of_run = run.weights.get("version", "")
        others = sum(used.results for used in weights if used.version != version_of_run)
        if others:
            warnings.append(
                f"{RUN} tells of a run with weights {visible(version_of_run)}, but {others} of {len(predictions)} "
                "results name others; its settings are not theirs"
            )
    return Provenance(
        osteolens=version("osteolens"),
        created=datetime.now(UTC),
        command=_command(sys.argv if command is None else command),
        python=platform.python_version(),
        libraries={name: version(name) for name in LIBRARIES},
        results=len(predictions),
        weights=weights,
        screening=run,
        config=config,
        tables=_tables_of(cohort),
        warnings=tuple(warnings),
        fresh=fresh,
    )


def _weights_of(predictions: Sequence[Prediction]) -> tuple[UsedWeights, ...]:
    models: dict[tuple[tuple[str, str], ...], ModelIdentifiers] = {}
    counted: Counter[tuple[tuple[str, str], ...]] = Counter()
    for prediction in predictions:
        key = tuple(sorted(prediction.model.as_json().items()))
        models[key] = prediction.model
        counted[key] += 1
    return tuple(
        UsedWeights(
            version=models[key].version,
            hashes=models[key].hashes,
            settings=models[key].settings,
            rois=models[key].rois,
            results=count,
        )
        for key, count in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    )


def _told(used: UsedWeights) -> str:
    rois = "" if used.rois is None else f", manual ROIs {visible(used.rois)}"
    classifier = used.hashes.get("classifier")
    files = "" if classifier is None else f", classifier {visible(classifier)}"
    return f"{visible(used.version)} (settings {visible(used.settings)}{files}{rois}): {used.results} results"


def _run_of(path: Path) -> tuple[ScreeningRun | None, str | None]:
    """What run.json tells, or what is wrong with it."""
    if not path.is_file():
        return None, f"the results folder has no {RUN}; the values of the screening settings are unknown"
    try:
        document = read_json(path)
    except ReadError as error:
        return None, f"{error}; the values of the screening settings are unknown"
    settings, weights = (document.get(name) if isinstance(document, dict) else None for name in ("config", "weights"))
    if not isinstance(settings, dict) or not isinstance(weights, dict):
        return None, f"{RUN}: no config and weights; the values of the screening settings are unknown"
    software = {name: str(value) for name, value in document.items() if isinstance(value, str)}
    texts = {str(name): str(value) for name, value in weights.items()}
    return ScreeningRun(software=software, weights=texts, settings=settings), None


def _tables_of(cohort: Path) -> tuple[TableDigest, ...]:
    try:
        return tuple(TableDigest(path.name, sha256_of(path)) for path in table_files(cohort))
    except OSError as error:
        raise ReadError(f"{cohort}: a table cannot be read ({error.strerror}); expected readable tables") from error


def _command(arguments: Sequence[str]) -> str:
    if not arguments:
        return ""
    return visible(shlex.join([Path(arguments[0]).name, *arguments[1:]]))
