"""A folder of weights from training runs; what no run replaces comes from the folder itself or the shipped weights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from classify.config import PreprocessSpec
from cohort.errors import WeightsError
from detect.config import CLASSES
from pipeline.weights import BRANCH_FILES, MANIFEST, PART_FILES, load_weights, write_manifest

NOTICE = "Research use; not a medical device."


def assemble_weights(
    out: Path,
    version: str,
    runs: Mapping[str, Path],
    tests: Mapping[str, Any] | None = None,
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Copy weights, write the manifest, and check that the result loads.

    Args:
        out: folder of weights, made or updated.
        version: name of the whole.
        runs: run folders by part: detector, segmenter, classifier.
        tests: figures on a test cohort by part, kept in the manifest.
        provenance: what each part was trained on, and `notice`.

    Raises:
        WeightsError: a run lacks its files, or the result does not load.
    """
    tests, provenance = tests or {}, provenance or {}
    base = out if (out / MANIFEST).is_file() else Path(str(files("weights")))
    load_weights(base)
    former = json.loads((base / MANIFEST).read_text("utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    models = dict(former["models"])
    for part, names in PART_FILES.items():
        source = runs.get(part, base)
        if part in runs:
            models[part] = _entry(part, source)
            models[part]["training"] = provenance.get(part)
        if part in tests and part in models:
            models[part]["metrics"]["test"] = tests[part]
        for name in names if part in models else ():
            if name in BRANCH_FILES and not (source / name).is_file():
                (out / name).unlink(missing_ok=True)
                continue
            if not (source / name).is_file():
                raise WeightsError(f"{source}: {name} is missing; expected a finished run of osteolens train {part}")
            if source != out:
                shutil.copyfile(source / name, out / name)
    notice = provenance.get("notice", former["notice"] if not runs else NOTICE)
    write_manifest(out, version, notice, models)
    load_weights(out)


def _entry(part: str, run: Path) -> dict[str, Any]:
    """What the manifest says of a part, from its run."""
    try:
        figures = json.loads((run / "metrics.json").read_text("utf-8"))
        settings, metrics = figures["config"], {"validation": figures["validation"]}
        entry = {"settings": settings, "metrics": metrics}
        if part == "detector":
            classes = [f"{view}_{level}" for view, level in CLASSES]
            return {"architecture": settings["model"], "input_px": settings["image_px"], "classes": classes, **entry}
        if part == "segmenter":
            return {"architecture": f"U-Net, {settings['encoder']}", **entry}
        calibration = json.loads((run / "calibration.json").read_text("utf-8"))
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{run}: no metrics of a finished run of osteolens train {part} ({error})") from error
    return {
        "architecture": "dual-channel DenseNet-121 with covariates",
        "preprocess": figures.get("preprocess", PreprocessSpec().model_dump()),
        "calibration": calibration,
        **entry,
    }
