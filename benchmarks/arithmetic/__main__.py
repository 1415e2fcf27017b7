"""What pixels, refinement and views buy: accuracy of the shipped networks against their operations. In-silico.

Usage: python -m benchmarks.arithmetic COHORT [--studies 200] [--out FILE.json]
COHORT is a simulated cohort of the validation site, with rois.csv. Networks are exported at other sizes and screen it;
none is trained for its size. Prints Markdown. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.performance.networks import Networks, operations, plain_graph
from classify.network.checkpoint import load_network
from classify.network.densenet import DualChannelDenseNet
from classify.network.export import export_classifier
from cohort.bmd import BmdClass
from cohort.eligibility import exclusions
from cohort.io.annotations import Rois, read_rois
from cohort.io.folder import index_cohort
from cohort.spine import TARGET_LEVELS, View, iou
from cohort.study import Study
from detect.config import CLASSES
from detect.training.export_detector import export_detector
from osteolens.inference.config import InferenceConfig
from osteolens.inference.network import Tensor
from osteolens.processes import available_cores
from pipeline.bundle.load import Bundle, load_bundle
from pipeline.bundle.manifest import read_manifest
from pipeline.evaluation.statistics.roc import auc_value
from pipeline.prediction import Prediction
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.radiograph_reader import read_images
from pipeline.screening.screener import Screener

DETECTOR_PX = (448, 384, 320)
CLASSIFIER_PX = (96, 64)
COUNTED_STUDIES = 4
"""Studies over which operations are averaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way to screen.

    Attributes:
        name: as the table tells it.
        bundle: networks.
        refine: whether boxes are refined by the segmenter.
        views: that are screened.
    """

    name: str
    bundle: Bundle
    refine: bool = True
    views: tuple[View, ...] = tuple(View)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """One line of the table.

    Attributes:
        name: of the variant.
        gflop: operations a study by network, in thousand millions.
        classified: studies with a class.
        named: fraction of views whose boxes of L1-L4 all overlap the true ones by half or more.
        iou: mean overlap of boxes of L1-L4 with the true ones, a missing box counting as none.
        osteoporosis: AUC.
        r: correlation of estimated T-score and DXA.
    """

    name: str
    gflop: dict[str, float]
    classified: int
    named: float
    iou: float
    osteoporosis: float
    r: float


def main() -> None:
    """Export, screen, print."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.arithmetic", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rois = read_rois(given.cohort / "rois.csv")
    studies = [study for study in index_cohort(given.cohort).studies if not exclusions(study)][: given.studies]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for variant in variants(load_bundle(given.weights), Path(folder)):
            found.append(measured(variant, studies, rois, Path(folder)))
            print(found[-1], file=sys.stderr, flush=True)
    if given.out:
        given.out.write_text(json.dumps([asdict(one) for one in found], indent=1), "utf-8")
    print(as_text(found))


def variants(bundle: Bundle, folder: Path) -> list[Variant]:
    """The shipped networks, then one thing changed at a time.

    Args:
        bundle: checked weights.
        folder: to export into.
    """
    return [
        Variant(name="as shipped", bundle=bundle),
        *(Variant(name=f"detector at {px} px", bundle=with_detector(bundle, px, folder)) for px in DETECTOR_PX),
        Variant(name="boxes not refined", bundle=bundle, refine=False),
        *(Variant(name=f"classifier at {px} px", bundle=with_classifier(bundle, px, folder)) for px in CLASSIFIER_PX),
        *(Variant(name=f"{view} alone", bundle=bundle, views=(view,)) for view in View),
    ]


def with_detector(bundle: Bundle, image_px: int, folder: Path) -> Bundle:
    """The bundle with its detector exported for another side of the input.

    Args:
        bundle: checked weights.
        image_px: side.
        folder: to export into.
    """
    from safetensors.torch import load_file
    from ultralytics.nn.tasks import DetectionModel

    weights = bundle.detector.parent
    architecture = read_manifest(weights).models.detector.architecture
    model = DetectionModel(f"{architecture}.yaml", nc=len(CLASSES), verbose=False).eval()
    model.load_state_dict({k: v.float() for k, v in load_file(weights / "detector.safetensors").items()})
    out = folder / f"detector-{image_px}"
    out.mkdir()
    export_detector(model, out, image_px)
    return replace(bundle, detector=out / "detector.onnx")


def with_classifier(bundle: Bundle, size_px: int, folder: Path) -> Bundle:
    """The bundle with its classifier exported for crops of another side.

    Args:
        bundle: checked weights of one network.
        size_px: side.
        folder: to export into.
    """
    network = DualChannelDenseNet(bundle.network)
    load_network(network, bundle.classifier.parent)
    out = folder / f"classifier-{size_px}"
    out.mkdir()
    spec = bundle.preprocess.model_copy(update={"size_px": size_px})
    export_classifier(network.eval(), out, spec, size_px)
    return replace(bundle, classifier=out / "classifier.onnx", preprocess=spec, working_px=size_px)


def measured(variant: Variant, studies: Sequence[Study], rois: Rois, folder: Path) -> Accuracy:
    """Screen studies in one way.

    Args:
        variant: the way.
        studies: with DXA.
        rois: true boxes.
        folder: for graphs whose operations are counted.
    """
    shown = [
        replace(
            study,
            ap=study.ap if View.AP in variant.views else None,
            lateral=study.lateral if View.LATERAL in variant.views else None,
        )
        for study in studies
    ]
    screener = Screener(variant.bundle, ScreeningConfig(refine=variant.refine))
    predictions = [screener.screen_loaded(read_images(study)).prediction for study in shown]
    classified = [
        (s.dxa, p, p.t_score)
        for s, p in zip(studies, predictions, strict=True)
        if p.probabilities and p.t_score is not None and s.dxa is not None and s.dxa.t_score is not None
    ]
    truth = np.array([dxa.t_score for dxa, _, _ in classified], float)
    positive = np.array([dxa.bmd_class is BmdClass.OSTEOPOROSIS for dxa, _, _ in classified])
    overlaps = [_overlaps(p, view, rois) for p in predictions for view in variant.views]
    return Accuracy(
        name=variant.name,
        gflop=_gflop(variant, shown[:COUNTED_STUDIES], folder),
        classified=len(classified),
        named=round(float(np.mean([min(one) >= 0.5 for one in overlaps])), 4),
        iou=round(float(np.mean(overlaps)), 4),
        osteoporosis=round(
            auc_value(positive, np.array([p.probabilities[BmdClass.OSTEOPOROSIS] for _, p, _ in classified])), 4
        ),
        r=round(float(np.corrcoef([t_score for _, _, t_score in classified], truth)[0, 1]), 3),
    )


def _overlaps(prediction: Prediction, view: View, rois: Rois) -> list[float]:
    """IoU of each of L1-L4 with the true box; 0 where either is missing."""
    result = prediction.views.get(view)
    boxes = {} if result is None else {box.level: box for box in result.detection.boxes}
    true = {box.level: box for box in rois.get((prediction.study_uid, view), ())}
    return [
        iou(boxes[level].corners, true[level].corners) if level in boxes and level in true else 0.0
        for level in TARGET_LEVELS
    ]


def _gflop(variant: Variant, studies: Sequence[Study], folder: Path) -> dict[str, float]:
    """Mean operations of a study by network."""
    networks = Networks(variant.bundle, available_cores(), InferenceConfig())
    if not variant.refine:
        networks.segmenter = None
    every = networks.feeds(studies)
    counted: dict[str, float] = {}
    for name, path in variant.bundle.networks.items():
        plain = plain_graph(path, folder / f"plain-{name}.onnx")
        by_shape: dict[str, tuple[int, dict[str, Tensor]]] = {}
        for feed in (feed for of_study in every for feed in of_study[name]):
            shape = str({key: value.shape for key, value in feed.items()})
            by_shape[shape] = (by_shape.get(shape, (0, feed))[0] + 1, feed)
        total = sum(runs * operations(plain, feed).gflop for runs, feed in by_shape.values())
        counted[name] = round(total / len(studies), 2)
    return counted


def as_text(found: Sequence[Accuracy]) -> str:
    """The table in Markdown, a line a variant."""
    lines = [
        "| | detector | refinement | classifier | in all, GFLOP a study | studies | L1-L4 right, views | mean IoU "
        "| osteoporosis, AUC | T-score, r |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        parts = [one.gflop.get(name, 0.0) for name in ("detector", "segmenter", "classifier")]
        lines.append(
            f"| {one.name} | {' | '.join(f'{part:.1f}' for part in parts)} | {sum(parts):.1f} | {one.classified} "
            f"| {100 * one.named:.1f} % | {one.iou:.3f} | {one.osteoporosis:.3f} | {one.r:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
