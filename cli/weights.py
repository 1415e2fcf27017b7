"""osteolens weights: from training runs to a folder that `osteolens process --weights` takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import errors_as_exit_codes, say


def weights(
    out: Annotated[Path, typer.Argument(help="Folder of weights, made or updated.")],
    version: Annotated[str, typer.Option(help="Version that every prediction names.")],
    detector: Annotated[Path | None, typer.Option(help="Run folder of `osteolens train detector`.")] = None,
    segmenter: Annotated[Path | None, typer.Option(help="Run folder of `osteolens train segmenter`.")] = None,
    classifier: Annotated[Path | None, typer.Option(help="Run folder of `osteolens train classifier`.")] = None,
    test_detector: Annotated[Path | None, typer.Option(help="What `evaluate detector --json` printed.")] = None,
    test_classifier: Annotated[Path | None, typer.Option(help="What `evaluate --json` printed.")] = None,
    provenance: Annotated[
        Path | None, typer.Option(help="JSON: what each part was trained on, and a notice for the whole.")
    ] = None,
) -> None:
    """Put trained stages together. A part without a run stays as it is in OUT, or comes from the shipped weights."""
    with errors_as_exit_codes():
        from pipeline.bundle.assemble import assemble_weights
        from pipeline.bundle.manifest import Part

        runs = {Part.DETECTOR: detector, Part.SEGMENTER: segmenter, Part.CLASSIFIER: classifier}
        tests = {Part.DETECTOR: test_detector, Part.CLASSIFIER: test_classifier}
        assemble_weights(
            out,
            version,
            {part: run for part, run in runs.items() if run is not None},
            {part: _read(path, nan_is_null=True) for part, path in tests.items() if path is not None},
            _provenance(provenance) if provenance is not None else None,
        )
        say(f"weights {version} in {out}; use them with --weights {out}")


def _read(path: Path, nan_is_null: bool = False) -> dict[str, Any]:
    """The object of a JSON file."""
    from osteolens.errors import ReadError
    from osteolens.json_document import read_json

    document = read_json(path, nan_is_null=nan_is_null)
    if not isinstance(document, dict):
        raise ReadError(f"{path}: found {type(document).__name__}, expected an object")
    return document


def _provenance(path: Path) -> dict[str, str]:
    """What each part was trained on, in words."""
    from osteolens.errors import ReadError
    from osteolens.json_document import quoted

    known, document = ("detector", "segmenter", "classifier", "notice"), _read(path)
    for key, value in document.items():
        if key not in known or not isinstance(value, str):
            raise ReadError(f"{path}: {quoted(key)} is {quoted(value)}; expected {', '.join(known)}, each with a text")
    return document
