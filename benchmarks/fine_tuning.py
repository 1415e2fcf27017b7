"""What fine-tuning gains at cohorts of 16, 60, 200 and 1,000 studies: the start and every epoch on the same validation.

    python benchmarks/fine_tuning.py detector runs/cohort --validation runs/validation --out runs/fine-tuning
    python benchmarks/fine_tuning.py segmenter runs/cohort --start-from runs/segmenter/segmenter.safetensors

Smaller cohorts are parts of the larger ones; sizes of several runs, with settings of their own, join in one JSON. A
run that was stopped goes on, finished sizes are not trained again. Needs the extra `train`. Without --validation the
site `validation` of the cohort, or a ninth of its patients, validates.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cohort.io.annotations import Outlines
    from cohort.study import Study
    from osteolens.training.run_options import RunOptions
    from pipeline.training.cohorts import TrainingCohorts

SIZES = (16, 60, 200, 1000)

JUDGED_BY = {"detector": "mAP50-95", "segmenter": "dice"}
"""Figure of each stage that chooses its best epoch."""


class Curve(TypedDict):
    """One training: its settings, and the figures of every epoch, the start first."""

    settings: dict[str, object]
    history: list[dict[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=("detector", "segmenter"))
    parser.add_argument("cohort", type=Path, help="folder with cohort.csv, rois.csv and annotations.json")
    parser.add_argument("--validation", type=Path, help="cohort folder to validate by")
    parser.add_argument("--train-sites", nargs="+", default=[], help="sites to train on, whatever their names say")
    parser.add_argument("--out", type=Path, default=Path("runs/fine-tuning"))
    parser.add_argument("--studies", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--start-from", type=Path, help="safetensors; the shipped detector when left out")
    parser.add_argument("--set", action="append", default=[], dest="overrides", help="setting as key=value")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    found = measure(given)
    draw(found, given.stage, given.out / f"{given.stage}.png")
    print(table(found, given.stage))


def measure(given: argparse.Namespace) -> dict[str, Curve]:
    """Settings and history for every size, by its number of studies; also written into `out`."""
    from cohort.splits import SiteSplits
    from osteolens.documents.json_document import read_json, write_json
    from pipeline.training.cohorts import training_cohorts
    from pipeline.training.rois import outlines_of, with_labels
    from pipeline.training.run import TrainingOptions

    options = TrainingOptions(seed=given.seed, validation=given.validation)
    sites = SiteSplits(training=tuple(given.train_sites))
    split = training_cohorts(given.cohort, given.out, 1 / 9, options, sites=sites)
    folders = [path for path in (given.cohort, given.validation) if path is not None]
    outlines = outlines_of(folders, [*split.training, *split.held_out])
    labelled = {uid for uid, _ in (split.rois if given.stage == "detector" else outlines)}
    split = with_labels(split, labelled, "labels")
    results = given.out / f"{given.stage}.json"
    found: dict[str, Curve] = dict(read_json(results)) if results.is_file() else {}
    for size in sorted(given.studies):
        if size > len(split.training):
            print(f"{size} studies: the cohort holds {len(split.training)} to train on", file=sys.stderr)
            continue
        out = given.out / given.stage / str(size)
        out.mkdir(parents=True, exist_ok=True)
        print(f"{size} studies", file=sys.stderr)
        part = some_of(split.training, size, given.seed)
        fit = fit_detector if given.stage == "detector" else fit_segmenter
        fit(part, split, outlines, out, given)
        document = json.loads((out / "metrics.json").read_text("utf-8"))
        found[str(size)] = {"settings": document["config"], "history": document["history"]}
        write_json(results, found)
    return found


def table(found: Mapping[str, Curve], stage: str) -> str:
    """Markdown: what each size began with, reached, and with which settings."""
    figure = JUDGED_BY[stage]
    lines = [
        f"| studies | images an epoch | epochs | rate | {figure} of the start | best | at epoch |",
        "|---|---|---|---|---|---|---|",
    ]
    for size, curve in sorted(found.items(), key=lambda item: int(item[0])):
        values, settings = [epoch[figure] for epoch in curve["history"]], curve["settings"]
        images = 2 * int(size) * int(str(settings.get("renders", 1)))
        best = int(np.argmax(values))
        cells = (size, images, len(values) - 1, settings["lr"], f"{values[0]:.3f}", f"{values[best]:.3f}", best)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def draw(found: Mapping[str, Curve], stage: str, picture: Path) -> None:
    """The curves of all sizes over the images that were trained on."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from pipeline.appearance.colours import LEVELS

    figure = Figure(figsize=(7, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    colours = [*LEVELS.values()]
    for colour, (size, curve) in zip(colours, sorted(found.items(), key=lambda item: int(item[0])), strict=False):
        values = [epoch[JUDGED_BY[stage]] for epoch in curve["history"]]
        images = 2 * int(size) * int(str(curve["settings"].get("renders", 1)))
        axes.plot([images * k for k in range(len(values))], values, marker="o", color=colour, label=f"{size} studies")
    axes.set_xscale("symlog", linthresh=100)
    axes.xaxis.set_major_formatter(mpl.ticker.StrMethodFormatter("{x:,.0f}"))
    axes.set(xlabel="images trained on", ylabel=f"{JUDGED_BY[stage]} on validation")
    axes.legend(frameon=False)
    figure.savefig(picture)


def some_of(studies: list[Study], size: int, seed: int) -> list[Study]:
    """So many studies, the same ones for a seed; fewer studies are some of those of a larger number."""
    order = np.random.default_rng(seed).permutation(len(studies))
    return [studies[k] for k in sorted(order[:size])]


def fit_detector(
    part: list[Study], split: TrainingCohorts, outlines: Outlines, out: Path, given: argparse.Namespace
) -> None:
    """Render and train; the start is the shipped detector unless another one is given."""
    from detect.training.config import DetectorTraining
    from detect.training.detector import fit_detector as fit
    from detect.training.yolo_folder import LabelledStudies, write_yolo_folder
    from osteolens.config import load_config
    from osteolens.shipped import shipped_weights
    from osteolens.training.watch import Watch
    from pipeline.training.detector import input_px

    start = given.start_from or shipped_weights() / "detector.safetensors"
    config = load_config(DetectorTraining, None, given.overrides).settled(input_px(start), len(part))
    labelled = LabelledStudies(training=part, validation=split.held_out, rois=split.rois, outlines=outlines)
    data = write_yolo_folder(labelled, out / "yolo", config, given.seed)
    fit(data, out, config, options_of(given, start), Watch(notify=say))


def fit_segmenter(
    part: list[Study], split: TrainingCohorts, outlines: Outlines, out: Path, given: argparse.Namespace
) -> None:
    """Crop and train; a new network unless a start is given."""
    from detect.training.body_crops import build_store
    from detect.training.config import SegmenterTraining
    from detect.training.segmenter import fit_segmenter as fit
    from osteolens.config import load_config
    from osteolens.training.watch import Watch

    config = load_config(SegmenterTraining, None, given.overrides)
    training = build_store(part, outlines, out / "crops.npy", config, given.seed)
    validation = build_store(split.held_out, outlines, out / "crops-validation.npy", config, given.seed)
    fit(training, validation, out, config, options_of(given, given.start_from), Watch(notify=say))


def options_of(given: argparse.Namespace, start: Path | None) -> RunOptions:
    from osteolens.training.run_options import RunOptions

    return RunOptions(device=given.device, seed=given.seed, resume=True, start_from=start)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
