"""Where an evaluation comes from, as people read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pandas as pd
from pydantic import JsonValue

from pipeline.evaluation.provenance import Provenance, UsedWeights


def provenance_table(provenance: Provenance) -> pd.DataFrame:
    """One line for each version, identifier, setting and digest."""
    return pd.DataFrame(_lines(provenance), columns=["about", "item", "value"])


def _lines(provenance: Provenance) -> Iterator[tuple[str, str, str]]:
    yield "evaluation", "date and time (UTC)", provenance.created.strftime("%Y-%m-%d %H:%M:%S")
    yield "evaluation", "command", provenance.command
    yield "evaluation", "results", str(provenance.results)
    for warning in provenance.warnings:
        yield "evaluation", "warning", warning
    for line in () if provenance.fresh is None else provenance.fresh.lines:
        yield "evaluation", "fresh test", line
    yield "software", "OsteoLens", provenance.osteolens
    yield "software", "Python", provenance.python
    for name, version in provenance.libraries.items():
        yield "software", name, version
    for used in provenance.weights:
        yield from _weights(used)
    for table in provenance.tables:
        yield "tables, SHA-256", table.name, table.sha256
    for name, value in _flat(provenance.config.model_dump(mode="json")):
        yield "settings of the evaluation", name, value
    if provenance.screening is not None:
        for name, value in provenance.screening.software.items():
            yield "screening run", name, value
        for name, value in _flat(provenance.screening.settings):
            yield "settings of the screening", name, value


def _weights(used: UsedWeights) -> Iterator[tuple[str, str, str]]:
    about = f"weights {used.version}"
    yield about, "results", str(used.results)
    yield about, "settings of the screening, digest", used.settings
    if used.rois is not None:
        yield about, "manual ROIs, digest", used.rois
    for name, start in used.hashes.items():
        yield about, f"{name}, SHA-256 begins", start


def _flat(settings: Mapping[str, JsonValue], within: str = "") -> Iterator[tuple[str, str]]:
    """Settings by their dotted names."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{within}{name}.")
        else:
            yield f"{within}{name}", value if isinstance(value, str) else json.dumps(value)
