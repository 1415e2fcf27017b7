"""Copy the results of two training runs into weights/ and write the manifest.

Usage: python scripts/assemble_weights.py --detector RUN --classifier RUN [--segmenter RUN] --version V
       [--test EVALUATION.json] [--provenance PROVENANCE.json]
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from classify.config import PreprocessSpec
from detect.config import CLASSES
from pipeline.weights import CLASSIFIER_PARTS, write_manifest


def main() -> None:
    """Copy, hash, describe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--classifier", type=Path, required=True)
    parser.add_argument("--segmenter", type=Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--test", type=Path, help="figures printed by `osteolens evaluate --json` on a test cohort")
    parser.add_argument("--test-detector", type=Path, help="the same of `osteolens evaluate detector --json`")
    parser.add_argument("--provenance", type=Path, help="JSON that says what the weights were trained on")
    parser.add_argument("--out", type=Path, default=Path("weights"))
    options = parser.parse_args()
    for run, names in (
        (options.detector, ("detector.onnx", "detector.safetensors")),
        (options.classifier, ("classifier.onnx", *CLASSIFIER_PARTS)),
    ):
        for name in names:
            shutil.copyfile(run / name, options.out / name)
    if options.segmenter is not None:
        shutil.copyfile(options.segmenter / "segmenter.onnx", options.out / "segmenter.onnx")
    test, boxes, provenance = (_read(path) for path in (options.test, options.test_detector, options.provenance))
    detector = json.loads((options.detector / "metrics.json").read_text("utf-8"))
    classifier = json.loads((options.classifier / "metrics.json").read_text("utf-8"))
    models = {
        "detector": {
            "architecture": detector["config"]["model"],
            "input_px": detector["config"]["image_px"],
            "classes": [f"{view}_{level}" for view, level in CLASSES],
            "training": (provenance or {}).get("detector"),
            "settings": detector["config"],
            "metrics": {"validation": detector["validation"], "test": boxes or test},
        },
        "classifier": {
            "architecture": "dual-channel DenseNet-121 with covariates",
            "preprocess": PreprocessSpec().model_dump(),
            "calibration": json.loads((options.classifier / "calibration.json").read_text("utf-8")),
            "training": (provenance or {}).get("classifier"),
            "settings": classifier["config"],
            "metrics": {"validation": classifier["validation"], "test": test},
        },
    }
    if options.segmenter is not None:
        segmenter = json.loads((options.segmenter / "metrics.json").read_text("utf-8"))
        models["segmenter"] = {
            "architecture": f"U-Net, {segmenter['config']['encoder']}",
            "training": (provenance or {}).get("segmenter"),
            "settings": segmenter["config"],
            "metrics": {"validation": segmenter["validation"]},
        }
    write_manifest(options.out, options.version, models)


def _read(path: Path | None) -> Any:
    return json.loads(path.read_text("utf-8")) if path else None


if __name__ == "__main__":
    main()
