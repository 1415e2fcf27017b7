"""Suspected vertebral fractures: heights of the outlines and the learned loss of height, together."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist, median

from cohort.findings import GENANT_LOSS, BodyHeights, VertebraFinding
from cohort.spine import TARGET_LEVELS, VertebralLevel
from detect.config import DetectionConfig
from detect.morphometry import body_heights
from detect.segmenter import SegmentedBody

USUAL_WEDGE: Mapping[VertebralLevel, float] = {
    VertebralLevel.L1: 0.03,
    VertebralLevel.L2: 0.02,
    VertebralLevel.L3: -0.01,
    VertebralLevel.L4: -0.03,
}
"""By how much of its back a whole body's front is lower: upper lumbar bodies are lower in front, lower ones behind.

Source: medians of the outlines of whole simulated bodies of the training site, rounded.
"""

MOST_BULGE = 0.12
"""Fraction by which an outline's middle may exceed the mean of its front and back; where it does more, it is wrong."""


def vertebra_findings(
    bodies: Mapping[VertebralLevel, SegmentedBody], anterior_left: bool, config: DetectionConfig
) -> dict[VertebralLevel, VertebraFinding]:
    """Findings of those of L1-L4 that have an outline in a lateral view.

    Args:
        bodies: segmented bodies by level.
        anterior_left: whether the front lies at the left.
        config: limits.
    """
    measured = body_heights({level: body.outline for level, body in bodies.items()}, anterior_left)
    learned = {level: body.height_loss for level, body in bodies.items()}
    findings = {}
    for level in TARGET_LEVELS:
        if level not in measured or level not in learned:
            continue
        loss = lost_height(level, measured[level], learned)
        findings[level] = VertebraFinding(
            level=level,
            heights=measured[level],
            height_loss=loss,
            genant_grade=sum(loss >= limit for limit in GENANT_LOSS) if loss >= config.fracture_loss else 0,
            confidence=NormalDist(0, config.height_loss_sd).cdf(loss - GENANT_LOSS[0]),
            suspected=loss >= config.fracture_loss,
        )
    return findings


def lost_height(level: VertebralLevel, heights: BodyHeights, learned: Mapping[VertebralLevel, float]) -> float:
    """Fraction of its height that a body has lost: the network's estimate above that of the other bodies of the
    radiograph, plus half of the loss that the outline shows.

    The grain of a radiograph and the proportions of its bodies raise the network's estimates of all bodies alike, so
    only the excess over the median of the others counts. Where one endplate alone has sunk, the outline follows the
    rims of the body, so the outline alone is not enough either.

    Args:
        level: of the body.
        heights: from its outline.
        learned: the network's estimate of every body that was segmented.
    """
    others = [loss for name, loss in learned.items() if name is not level]
    excess = learned[level] - (median(others) if others else 0.0)
    outlined = 0.0
    if heights.biconcave > -MOST_BULGE:
        outlined = max(heights.wedge - USUAL_WEDGE[level], heights.biconcave, heights.crush, 0.0)
    return min(max(excess + outlined / 2, 0.0), 1.0)
