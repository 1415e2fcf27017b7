"""osteolens weights: from training runs to a folder that `osteolens process --weights` takes."""

from __future__ import annotations

import json
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
        from pipeline.assemble import assemble_weights

        runs = {"detector": detector, "segmenter": segmenter, "classifier": classifier}
        tests = {"detector": test_detector, "classifier": test_classifier}
        assemble_weights(
            out,
            version,
            {part: run for part, run in runs.items() if run is not None},
            {part: _read(path) for part, path in tests.items() if path is not None},
            _read(provenance) if provenance is not None else None,
        )
        say(f"weights {version} in {out}; use them with --weights {out}")


def _read(path: Path) -> Any:
    from cohort.errors import ReadError

    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ReadError(f"{path}: no JSON document ({error})") from error
