"""What a comparison of hand-drawn and automatic ROIs says: overlaps, millimetres, areas, changes of class."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import cohen_kappa_score

from cohort.bmd import BMD_CLASSES, BmdClass
from cohort.spine import TARGET_LEVELS, View, iou
from pipeline.evaluation.estimable import NOT_ESTIMABLE, ONE_CLASS, gap_word, metric_words, with_words
from pipeline.evaluation.statistics import bland_altman, bootstrap, counts, delong, delong_test, mcnemar
from pipeline.roi_comparison.compare import AUTOMATIC, Comparison

FEWEST = 10
"""Cases of each kind below which nothing is said of non-inferiority."""

EDGES = ("left", "top", "right", "bottom")


def summarise(
    found: Comparison, margin: float = 0.02, draws: int = 500, seed: int = 0, manual_seconds: float | None = None
) -> dict[str, Any]:
    """Overlaps, differences in mm, and what the classifier's figures lose or gain by automatic ROIs.

    With several readers, the manual side of classification is the mean of the readers' probabilities; each reader
    also stands alone. What these studies cannot give is NaN, with a word under `not_estimable`.

    Args:
        found: from `compare_rois`.
        margin: non-inferiority margin of the AUC.
        draws: of the bootstrap.
        seed: of the bootstrap.
        manual_seconds: time that a reader takes for a study, where it is known.
    """
    readers = [name for name in found.shares if name != AUTOMATIC]
    shares = {name: np.array(own) for name, own in found.shares.items()}
    manual = np.mean([shares[name] for name in readers], 0)
    labels = np.array(found.labels)
    seconds = float(np.median(found.detect_seconds))
    called = manual.argmax(1), shares[AUTOMATIC].argmax(1)
    found_words = _words(labels, *called)
    return {
        "studies": len(labels),
        "not_estimable": found_words,
        "readers": readers,
        "left_out": len(found.left_out),
        **({"unreadable_rois": {"count": len(u), "names": u}} if (u := found.unreadable) else {}),
        **({"table_notes": list(found.table_notes)} if found.table_notes else {}),
        "detect_seconds_median": seconds,
        "seconds_saved": None if manual_seconds is None else manual_seconds - seconds,
        "overlap_between_readers": _overlaps(found, list(combinations(readers, 2))),
        "overlap_with_detector": _overlaps(found, [(name, AUTOMATIC) for name in readers]),
        "overlap_by_pair": {
            f"{a} / {b}": _overlaps(found, [(a, b)])["all"] for a, b in combinations([*readers, AUTOMATIC], 2)
        },
        "differences_mm": _differences(found, readers),
        "classes": {
            str(kind): _paired(labels, manual, shares[AUTOMATIC], kind, margin, draws, seed) for kind in BMD_CLASSES
        },
        "by_reader": {name: _area(labels, shares[name]) for name in [*readers, AUTOMATIC]},
        "kappa_between_rois": _kappa(*called),
        "flips": _flips(*called),
        "share_of_osteoporosis": _agreement(manual[:, -1], shares[AUTOMATIC][:, -1]),
    }


def _words(
    labels: npt.NDArray[np.int64], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> dict[str, str]:
    """A word for each figure of the whole that these studies cannot give."""
    found = {}
    if gap_word(labels == len(BMD_CLASSES) - 1) == ONE_CLASS:
        found["by_reader"] = ONE_CLASS
    if len(np.unique(np.concatenate((first, second)))) == 1:
        found["kappa_between_rois"] = f"{NOT_ESTIMABLE}every study is given the same class"
    return found


def _kappa(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> float:
    """Cohen's kappa of classes (n,); NaN where everyone has the same one."""
    if len(np.unique(np.concatenate((first, second)))) == 1:
        return float("nan")
    return float(cohen_kappa_score(first, second, labels=range(len(BMD_CLASSES))))


def _overlaps(found: Comparison, pairs: Sequence[tuple[str, str]]) -> dict[str, float]:
    """Mean intersection over union of pairs of readers: over all, by view, and by view and level."""
    values: dict[str, list[float]] = {}
    for first, second in pairs:
        for view in View:
            for level in TARGET_LEVELS:
                both = zip(found.boxes[first, view, level], found.boxes[second, view, level], strict=True)
                own = [iou(a, b) for a, b in both]
                for key in ("all", f"{view}", f"{view} {level}"):
                    values.setdefault(key, []).extend(own)
    return {key: float(np.mean(own)) for key, own in values.items()}


def _differences(found: Comparison, readers: Sequence[str]) -> dict[str, dict[str, float]]:
    """Detector minus mean reader at each edge and at the centre in mm: bias and limits of agreement, by view."""
    result = {}
    for view in View:
        spacing = np.array(found.spacing_mm[view])
        gaps = []
        for level in TARGET_LEVELS:
            mean = np.mean([np.array(found.boxes[name, view, level]) for name in readers], 0)
            gaps.append((np.array(found.boxes[AUTOMATIC, view, level]) - mean) * spacing[:, None])
        stacked = np.concatenate(gaps)
        stacked = stacked[np.isfinite(stacked).all(1)]
        if len(stacked) < 2:
            continue
        centres = (stacked[:, :2] + stacked[:, 2:]) / 2
        named = [*zip(EDGES, stacked.T, strict=True), ("centre across", centres[:, 0]), ("centre along", centres[:, 1])]
        for name, own in named:
            bias, spread = float(own.mean()), 1.96 * float(own.std(ddof=1))
            result[f"{view} {name}"] = {"bias": bias, "low": bias - spread, "high": bias + spread}
    return result


def _paired(
    labels: npt.NDArray[np.int64],
    manual: npt.NDArray[np.float64],
    automatic: npt.NDArray[np.float64],
    kind: BmdClass,
    margin: float,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """AUC of one class on both kinds of ROI: difference, non-inferiority, McNemar at the argmax; NaN without both."""
    column = BMD_CLASSES.index(kind)
    positive = labels == column
    if positive.all() or not positive.any():
        return {"positive": int(positive.sum()), "reason": "one class is absent; no area can be computed"}
    enough = min(positive.sum(), (~positive).sum()) >= FEWEST
    areas, _ = delong(positive, np.stack((manual[:, column], automatic[:, column])))
    paired = delong_test(positive, manual[:, column], automatic[:, column], margin)
    called = [shares.argmax(1) == column for shares in (manual, automatic)]

    def gap(index: npt.NDArray[np.int64]) -> float:
        if positive[index].all() or not positive[index].any():
            return float("nan")
        two, _ = delong(positive[index], np.stack((manual[index, column], automatic[index, column])))
        return float(two[1] - two[0])

    drawn = bootstrap(gap, len(labels), draws, seed)
    word = gap_word(positive)
    sides = ("difference_low", "difference_high", "p_equal", "p_noninferior")
    return {
        "positive": int(positive.sum()),
        "auc_manual": float(areas[0]),
        "auc_automatic": float(areas[1]),
        "difference": paired.difference.value,
        "difference_low": paired.difference.low,
        "difference_high": paired.difference.high,
        "bootstrap_low": drawn.low,
        "bootstrap_high": drawn.high,
        "p_equal": paired.p,
        "margin": margin,
        "p_noninferior": paired.p_noninferior,
        "noninferior": paired.difference.low > -margin if enough else None,
        "mcnemar_p": mcnemar(called[0] == positive, called[1] == positive),
        "manual": _counts(positive, called[0], kind),
        "automatic": _counts(positive, called[1], kind),
        **({"not_estimable": dict.fromkeys(sides, word)} if word else {}),
    }


def _counts(positive: npt.NDArray[np.bool_], called: npt.NDArray[np.bool_], kind: BmdClass) -> dict[str, Any]:
    found = {name: estimate.value for name, estimate in counts(positive, called).metrics().items()}
    words = metric_words(positive, called, kind.value)
    return {**found, "not_estimable": words} if words else found


def _area(labels: npt.NDArray[np.int64], shares: npt.NDArray[np.float64]) -> float:
    positive = labels == len(BMD_CLASSES) - 1
    return float("nan") if positive.all() or not positive.any() else float(delong(positive, shares[None, :, -1])[0][0])


def _flips(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> dict[str, int]:
    """How many studies change class, from manual to automatic, by pair of classes."""
    names = [str(c) for c in BMD_CLASSES]
    return {
        f"{names[a]} to {names[b]}": int(((first == a) & (second == b)).sum())
        for a in range(3)
        for b in range(3)
        if a != b
    }


def _agreement(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> dict[str, Any]:
    found = bland_altman(first, second)
    own = {"bias": found.bias, "low": found.low, "high": found.high, "r": found.r}
    return with_words(own, "1 study" if len(first) == 1 else "the shares do not vary")
