"""Outlines of the bodies on a radiograph, and ROI boxes by the paper's rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from cohort.roi_rule import roi_boxes
from cohort.spine import DETECTED_LEVELS, LEVELS, VertebraBox, VertebralLevel
from phantom.bones.anatomy import Anatomy, Vector
from phantom.bones.posture import Posture
from phantom.geometry import Geometry, Outline
from phantom.subject.pathology import Pathology

DIRECTIONS = 48
"""Points of an outline, one every 7.5 degrees round the body's middle."""


def body_truth(
    anatomy: Anatomy, posture: Posture, pathology: Pathology, geometry: Geometry
) -> tuple[tuple[VertebraBox, ...], dict[VertebralLevel, Outline]]:
    """Boxes of T11 to S1 and outlines of the same levels, in pixels; what lies outside the field is left out.

    Neighbours are those of the stack, names come after, so that a sixth lumbar vertebra bounds L5 as a real one does.
    A spine with four lumbar vertebrae has neither L5 nor S1 in the truth.

    Args:
        anatomy: shapes of the bodies and of the sacrum.
        posture: where they stand.
        pathology: how many lumbar vertebrae there are, which gives their names.
        geometry: field and pixels of the image.
    """
    points = {
        body: _project(placement.to_patient(anatomy.vertebrae[body].body_points.copy()), geometry)
        for body, placement in posture.vertebrae.items()
    }
    points[VertebralLevel.S1] = _project(posture.pelvis.to_patient(_sacral_corners(anatomy)), geometry)
    spacing = geometry.spacing_mm
    boxes, outlines = [], {}
    for box in roi_boxes({body: points[body] for body in LEVELS}, (spacing, spacing)):
        name = _name(box.level, pathology)
        if name not in DETECTED_LEVELS:
            continue
        inside = within_field(replace(box, level=name), geometry.shape)
        if inside is not None:
            boxes.append(inside)
            if box.level is not VertebralLevel.S1:
                outlines[name] = star_outline(points[box.level])
    return tuple(boxes), outlines


def _name(body: VertebralLevel, pathology: Pathology) -> VertebralLevel | None:
    if body is VertebralLevel.S1:
        return None if pathology.lumbar_count == 4 else body
    return pathology.name_of(body)


def star_outline(points: Vector) -> Outline:
    """Outline of a projected body as the farthest point in each direction from its middle, (DIRECTIONS, 2) x, y."""
    middle = (points.min(0) + points.max(0)) / 2
    offset = points - middle
    turn = np.arctan2(offset[:, 1], offset[:, 0])
    radius = np.hypot(offset[:, 0], offset[:, 1])
    bins = np.floor((turn + np.pi) / (2 * np.pi) * DIRECTIONS).astype(int) % DIRECTIONS
    farthest = np.zeros(DIRECTIONS)
    at = np.zeros(DIRECTIONS)
    order = np.argsort(radius)
    farthest[bins[order]] = radius[order]
    at[bins[order]] = turn[order]
    known = farthest > 0
    directions = -np.pi + 2 * np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
    at = np.where(known, at, directions)
    farthest = np.where(known, farthest, np.interp(directions, directions[known], farthest[known], period=2 * np.pi))
    return np.asarray(middle + np.stack((np.cos(at), np.sin(at)), 1) * farthest[:, None], np.float32)


def _sacral_corners(anatomy: Anatomy) -> Vector:
    """S1 as a block that tapers downwards from its endplate."""
    half_width, half_depth = np.array(anatomy.pelvis.endplate_mm) / 2
    corners = np.array(
        [[x, y, z] for x in (-half_width, half_width) for y in (-half_depth, half_depth) for z in (0.0, -27.0)]
    )
    corners[corners[:, 2] < -1, 1] *= 0.75
    corners[corners[:, 2] < -1, 0] *= 0.85
    return corners


def _project(points: Vector, geometry: Geometry) -> Vector:
    return np.asarray(geometry.project_points(torch.from_numpy(points).float()).numpy(), np.float64)


LEAST_INSIDE = 0.75
"""Fraction of a vertebra's box inside the image below which it has no ground truth there."""


def within_field(box: VertebraBox, shape: tuple[int, int]) -> VertebraBox | None:
    """The box cut at the border of an image (rows, columns), or None when less than three quarters of it are inside."""
    return box.clipped(shape) if box.fraction_inside(shape) >= LEAST_INSIDE else None
