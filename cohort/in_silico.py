"""Whether a cohort folder is simulated, its notice, and the weights that it was drawn to judge."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError

from cohort.io.tables.reader import read_as_written
from cohort.mapping.columns_file import Holds, tables_that_hold
from osteolens.config import StrictConfig
from osteolens.documents.json_document import read_json
from osteolens.errors import ReadError

IN_SILICO_NOTICE = "In-silico: simulated radiographs and DXA. No patient, no clinical evidence."
"""Notice on every image, table and page of simulated data."""

SIMULATED = "vbmd_mg_cm3"
"""Column of cohort.csv that only a simulation has."""


PLAN_FILE = "simulation.json"
"""The plan of a simulated cohort, in its folder."""

SEED_BYTES = 4
"""Of the digest, that make the seed."""


def notice_of(cohort: Path) -> str:
    """The notice for the top of a page about a cohort folder; empty where the folder is not simulated."""
    tables = tables_that_hold(cohort, Holds.COHORT)
    simulated = (cohort / PLAN_FILE).is_file() or any(SIMULATED in read_as_written(path, []) for path in tables)
    return IN_SILICO_NOTICE if simulated else ""


class FreshFor(StrictConfig):
    """Weights that a simulated cohort was drawn to judge."""

    release: str = Field(max_length=100, description="name of the weights")
    seed: int = Field(ge=0, lt=2 ** (8 * SEED_BYTES), description="that the weights give")
    weights: dict[str, str] = Field(description="start of the SHA-256 of each weights file, as results name them")

    @property
    def derives(self) -> bool:
        """Whether the seed is the one that these weights give."""
        return self.seed == fresh_seed(self.weights)


def fresh_seed(hashes: Mapping[str, str]) -> int:
    """The seed that weights give: the first four bytes of a SHA-256 over the hashes of their files.

    Args:
        hashes: start of the SHA-256 of each file by its name, as every result names them; one `NAME HASH` a line, by
            name, is what is hashed.
    """
    text = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:SEED_BYTES], "big")


def fresh_for(release: str, hashes: Mapping[str, str]) -> FreshFor:
    """What a cohort is to say of the weights that it is drawn for."""
    return FreshFor(release=release, seed=fresh_seed(hashes), weights=dict(hashes))


def read_fresh_for(cohort: Path) -> FreshFor | None:
    """The weights that a cohort folder was drawn for; None where it is no fresh test cohort.

    A cohort whose plan has another seed than the one it names is none either.
    """
    try:
        document = read_json(cohort / PLAN_FILE)
    except ReadError:
        return None
    if not isinstance(document, dict) or not isinstance(document.get("fresh_for"), dict):
        return None
    try:
        found = FreshFor.model_validate(document["fresh_for"])
    except ValidationError:
        return None
    return found if found.seed == document.get("seed") else None
