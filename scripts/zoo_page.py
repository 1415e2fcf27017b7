"""The page docs/results/model-zoo.md, from the manifest of the shipped weights and the tables of their results."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

RELEASED = {
    "2026.11.8": (
        "2026-11-29",
        "limits by which films unlike the training's are told; every file but the manifest is that of 2026.11.7",
    ),
    "2026.11.7": (
        "2026-11-29",
        "a head of the classifier that went on with 4,926 patients whom its branches never saw; all else of 2026.11.6",
    ),
    "2026.11.6": (
        "2026-11-28",
        "a classifier of 96 px, trained on drawn X-ray systems, that tells unlike films; other parts of 2026.11.5",
    ),
    "2026.11.5": (
        "2026-11-25",
        "a segmenter that tells bodies, projection and facing; detector and classifier of 2026.11.4",
    ),
    "2026.11.4": ("2026-11-23", "the classifier's head fitted on 5,570 patients, chosen and calibrated on 696"),
    "2026.11.3": ("2026-11-23", "a classifier of single bodies in place of the column"),
    "2026.11.2": ("2026-11-23", "a detector at 512 px, and a segmenter"),
}
"""Day and content of each version, newest first."""

PAGES = {
    "2026.11.8": "2026.11.8.md",
    "2026.11.7": "2026.11.8.md",
    "2026.11.6": "2026.11.6.md",
    "2026.11.5": "2026.11.5.md",
    "2026.11.4": "2026.11.4.md",
    "2026.11.3": "2026.11.4.md",
    "2026.11.2": "2026.11.4.md",
}
"""Page of results of each version."""


def zoo_page(notice: str) -> str:
    """docs/results/model-zoo.md.

    Raises:
        KeyError: RELEASED does not know the shipped version.
    """
    manifest: dict[str, Any] = json.loads((ROOT / "weights" / "manifest.json").read_text("utf-8"))
    version = str(manifest["version"])
    day, what = RELEASED[version]
    tables = ROOT / "docs" / "results" / version
    osteoporosis = _row(tables / "fresh_osteoporosis.csv", "all")
    boxes = [row for row in _rows(tables / "fresh_detection.csv") if row[1] == "L1-L4"]
    named = _row(tables / "fresh_detection_by_site.csv", "all")
    lines = ["# Model zoo", "", notice, ""]
    lines += [
        "Weights that OsteoLens has shipped.",
        "**All were trained on simulated radiographs alone, and every figure is in-silico.**",
        "",
    ]
    lines += [f"## {version}, shipped", "", f"Released on {day}: {what}. {manifest['licence']}.", ""]
    lines += ["| part | architecture | trained on |", "|---|---|---|"]
    lines += [f"| {name} | {part['architecture']} | {part['training']} |" for name, part in manifest["models"].items()]
    lines += ["", "In-silico figures of a fresh cohort of both test sites, whose X-ray systems training never saw:", ""]
    lines += ["| figure | value |", "|---|---|"]
    lines += [f"| patients evaluated | {osteoporosis[1]} |", f"| osteoporosis, AUC (95 %) | {osteoporosis[3]} |"]
    lines += [f"| studies with L1-L4 all found and rightly named | {named[3]} % |"]
    lines += [f"| mean IoU with the true ROI, {row[0]} | {row[4]} |" for row in boxes]
    lines += [
        "",
        f"All of them: [weights {version}]({PAGES[version]}).",
        "Limits and training in full: [model card](../../weights/README.md).",
        "",
    ]
    lines += ["| file | MiB | SHA-256 |", "|---|---|---|"]
    for name, entry in manifest["files"].items():
        lines.append(f"| `{name}` | {entry['bytes'] / 2**20:.1f} | `{entry['sha256']}` |")
    lines += [
        "",
        "`osteolens weights verify` checks these files; `osteolens weights show` prints all that the manifest holds.",
        "",
    ]
    lines += ["## Earlier versions", "", "Kept in the history of the repository, not distributed any more.", ""]
    lines += ["| version | day | what was new | results |", "|---|---|---|---|"]
    for earlier, (released, new) in RELEASED.items():
        if earlier != version:
            lines.append(f"| {earlier} | {released} | {new} | [page]({PAGES[earlier]}) |")
    lines += ["", "## Weights of your own", ""]
    lines += [
        "`osteolens weights assemble` makes such a folder with its manifest",
        "([train on your data](../how-to/train-on-your-data.md)).",
    ]
    return "\n".join(lines) + "\n"


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))[1:]


def _row(path: Path, first: str) -> list[str]:
    return next(row for row in _rows(path) if row[0] == first)
