"""What a split was made from, so that no run goes on with another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cohort.cache_key import digest_of_parts
from cohort.study import Study
from osteolens.documents.json_document import read_json, write_json
from osteolens.errors import ConfigError


def state_of_studies(studies: Sequence[Study]) -> str:
    """A digest of whom a split is made of: studies, patients, classes, sexes, sites and column split."""
    return digest_of_parts(
        sorted(
            (
                study.study_uid,
                study.patient_id,
                str(study.dxa.bmd_class if study.dxa is not None else None),
                str(study.covariates.sex),
                str(study.site),
                str(study.split),
            )
            for study in studies
        )
    )


def note_split(path: Path, made_from: Mapping[str, object], resume: bool) -> None:
    """Write what a split was made from.

    Args:
        path: of the note.
        made_from: plain values by name.
        resume: whether a note that is there must say the same.

    Raises:
        ConfigError: it says something else.
        OutputError: it cannot be written.
    """
    if resume and path.is_file():
        former = read_json(path)
        former = former if isinstance(former, dict) else {}
        for name, value in made_from.items():
            if former.get(name) != value:
                found = "" if name == "studies" else f" {former.get(name)!r}, now {value!r}"
                raise ConfigError(
                    f"{path}: the run to go on with was split with other {name}{found}; give what it was made with, or "
                    "train again without --resume"
                )
    write_json(path, dict(made_from))
