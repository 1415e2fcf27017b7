"""The resources of a result beside its JSON."""

from __future__ import annotations

from pathlib import Path

from osteolens.atomic import cannot_write, make_folder, write_whole
from osteolens.extras import require
from pipeline.prediction import Prediction

FOLDER = "fhir"
"""Folder of the resources among the results."""


def require_fhir() -> None:
    """Check that what makes the resources is installed.

    Raises:
        MissingExtra: it is not.
    """
    require("process --fhir", "fhir.resources", extra="fhir")


def resources_json(prediction: Prediction) -> str | None:
    """The Bundle of a result as JSON, or None where there is nothing to tell.

    Raises:
        MissingExtra: fhir.resources is not installed.
    """
    require_fhir()
    from pipeline.fhir.bundle import bundle_of

    bundle = bundle_of(prediction)
    return None if bundle is None else f"{bundle.json(indent=1, ensure_ascii=False)}\n"


def write_resources(prediction: Prediction, out: Path) -> bool:
    """Write `fhir/UID.json`; whether there was something to write. That of an earlier result is removed where not.

    Raises:
        OutputError: the folder cannot be written.
    """
    text = resources_json(prediction)
    if text is None:
        remove_resources(prediction.study_uid, out)
        return False
    make_folder(out / FOLDER)
    write_whole(resources_path(prediction.study_uid, out), text)
    return True


def remove_resources(study_uid: str, out: Path) -> None:
    """Remove the resources of an earlier result.

    Raises:
        OutputError: they cannot be removed.
    """
    path = resources_path(study_uid, out)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def resources_path(study_uid: str, out: Path) -> Path:
    """File of a study's resources."""
    return out / FOLDER / f"{study_uid}.json"
