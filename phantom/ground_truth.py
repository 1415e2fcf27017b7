"""Where the bodies are on a radiograph: outlines, and ROI boxes by the paper's rule."""

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
        kept = within_field(replace(box, level=name), len(geometry.u_mm), len(geometry.v_mm))
        if kept is not None:
            boxes.append(kept)
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
    wanted = -np.pi + 2 * np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
    at = np.where(known, at, wanted)
    farthest = np.where(known, farthest, np.interp(wanted, wanted[known], farthest[known], period=2 * np.pi))
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


def within_field(box: VertebraBox, columns: int, rows: int) -> VertebraBox | None:
    """The box cut at the image's border, or None when less than three quarters of it are inside."""
    x0, y0 = max(box.x0, 0.0), max(box.y0, 0.0)
    x1, y1 = min(box.x1, float(columns)), min(box.y1, float(rows))
    seen = max(0.0, x1 - x0) * max(0.0, y1 - y0)
    if seen < 0.75 * (box.x1 - box.x0) * (box.y1 - box.y0):
        return None
    return replace(box, x0=x0, y0=y0, x1=x1, y1=y1)
