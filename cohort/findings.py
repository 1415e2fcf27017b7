"""What is measured on a spine beside its boxes: heights of bodies, suspected fractures, the Cobb angle."""

from __future__ import annotations

from dataclasses import dataclass

from cohort.spine import VertebralLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyHeights:
    """Heights of one body in a lateral view, in the outline's unit, and the fractions of them that a compression took.

    Attributes:
        anterior: height at the front.
        middle: height in the middle.
        posterior: height at the back.
        wedge: fraction by which the front is lower than the back.
        biconcave: fraction by which the middle is lower than the mean of front and back.
        crush: fraction by which the back is lower than the neighbours' backs, 0 without a neighbour.
    """

    anterior: float
    middle: float
    posterior: float
    wedge: float = 0.0
    biconcave: float = 0.0
    crush: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CobbAngle:
    """The largest angle between two bodies in an AP view.

    Attributes:
        degrees: the angle.
        upper: the upper of the two.
        lower: the lower of the two.
    """

    degrees: float
    upper: VertebralLevel
    lower: VertebralLevel


GENANT_LOSS = (0.20, 0.25, 0.40)
"""Losses of height from which a deformity is of grade 1, 2 and 3.

Source: Genant 1993, doi 10.1002/jbmr.5650080915: about 20 to 25, 25 to 40, and above 40 %.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VertebraFinding:
    """What was measured on one of L1-L4 in a lateral view; a suspicion is to be confirmed by a reader.

    Attributes:
        level: of the body.
        heights: in pixels of the radiograph.
        height_loss: best estimate of the fraction of height that a compression took.
        genant_grade: 1 to 3 by that loss where a fracture is suspected, else 0.
        confidence: probability that a fifth or more of the height is lost.
        suspected: whether a fracture is suspected.
    """

    level: VertebralLevel
    heights: BodyHeights
    height_loss: float
    genant_grade: int
    confidence: float
    suspected: bool
