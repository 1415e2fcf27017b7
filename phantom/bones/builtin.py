"""A built-in anatomy made of simple solids, so that simulation needs no file.

Sizes follow Clouthier et al. 2023 (L2-L5: body width 46.7, depth 35.0, height 27.8, disc 7.1 mm) and shrink towards
T10; the shapes are ours. Signed distances are approximate away from the surface, which is all that a shell of a
millimetre needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from cohort.spine import VertebralLevel
from phantom.bones.anatomy import Anatomy, Bone, Pelvis, Vector, Vertebra, pelvis_from_bones, vertebra_from_bone

Field = npt.NDArray[np.float64]

BODY_MM: dict[VertebralLevel, tuple[float, float, float]] = {
    VertebralLevel.T10: (35.0, 29.0, 22.5),
    VertebralLevel.T11: (37.5, 30.0, 23.5),
    VertebralLevel.T12: (40.5, 31.0, 25.0),
    VertebralLevel.L1: (42.5, 32.0, 26.5),
    VertebralLevel.L2: (44.5, 33.5, 27.5),
    VertebralLevel.L3: (46.5, 34.5, 28.0),
    VertebralLevel.L4: (48.5, 35.0, 27.8),
    VertebralLevel.L5: (51.0, 35.0, 27.5),
}
"""(width, depth, height) of each body."""


def _grid(low: Sequence[float], high: Sequence[float], step: float) -> tuple[Field, Vector]:
    axes = [np.arange(a, b + step, step) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1), np.asarray(low, float)


def capsule(points: Field, a: Sequence[float], b: Sequence[float], radius: float, squash: float = 1.0) -> Field:
    """Distance to a rod in mm.

    Args:
        points: (..., 3) in mm.
        a: one end of its axis.
        b: the other end.
        radius: of the rod in mm.
        squash: above 1 it is taller along z than it is wide.
    """
    scale = np.array([1.0, 1.0, 1.0 / squash])
    start, run = np.asarray(a) * scale, (np.asarray(b) - np.asarray(a)) * scale
    d = points * scale - start
    t = np.clip((d @ run) / max(float(run @ run), 1e-9), 0, 1)
    return _length(*(d[..., k] - t * run[k] for k in range(3))) - radius


def ellipsoid(points: Field, centre: Sequence[float], radii: Sequence[float]) -> Field:
    """First-order distance to an ellipsoid."""
    q = [(points[..., k] - centre[k]) / radii[k] for k in range(3)]
    length = _length(*q)
    gradient = _length(*(v / r for v, r in zip(q, radii, strict=True)))
    return np.asarray((length - 1) * length / np.maximum(gradient, 1e-6))


def _length(x: Field, y: Field, z: Field) -> Field:
    """Lengths of vectors by their coordinates: a sum over a last axis of three takes several times as long."""
    return np.asarray(np.sqrt(x * x + y * y + z * z))


def _body(p: Field, width: float, depth: float, height: float) -> Field:
    """A waisted cylinder with concave endplates (1.5 mm below, 0.7 mm above; Wang 2012, PMC3481085)."""
    x, y, z = p[..., 0] / (width / 2), p[..., 1] / (depth / 2), p[..., 2] / (height / 2)
    radius = (np.abs(x) ** 2.4 + np.abs(y) ** 2.4) ** (1 / 2.4)
    hollow = np.where(y > 0, 0.25 * np.exp(-((x / 0.45) ** 2)) * y**2, 0)
    waist = 1 - 0.10 * (1 - np.clip(z, -1, 1) ** 2) - hollow
    side = (radius - waist) * min(width, depth) / 2
    dish = 1 - np.clip(radius, 0, 1) ** 2
    top = np.where(z > 0, p[..., 2] - height / 2 + 0.7 * dish, -p[..., 2] - height / 2 + 1.5 * dish)
    return np.maximum(side, top)


def _vertebra(level: VertebralLevel) -> Vertebra:
    width, depth, height = BODY_MM[level]
    lumbar = level.value.startswith("L")
    reach = {"L1": 38.0, "L2": 41.0, "L3": 46.0, "L4": 44.0, "L5": 46.0}.get(level.value, 28.0)
    p, origin = _grid((-reach - 6, -depth / 2 - 5, -34), (reach + 6, depth / 2 + 60, 30), 1.0)
    wall = depth / 2
    parts = [_body(p, width, depth, height)]
    gap = 0.24 * width + (3.0 if level.value in ("L4", "L5") else 0.0)
    for side in (-1.0, 1.0):
        pedicle_z = 0.2 * height
        parts.append(capsule(p, (side * gap, wall - 5, pedicle_z), (side * (gap + 1), wall + 10, pedicle_z), 4.2, 1.7))
        base = (side * (gap + 2), wall + 9, pedicle_z - 1)
        tip_z = pedicle_z + (2.0 if lumbar else -4.0)
        parts.append(capsule(p, base, (side * reach, wall + (12 if lumbar else 22), tip_z), 3.6, 1.5))
        parts.append(ellipsoid(p, (side * (gap + 3), wall + 15, height * 0.55), (5.0, 5.5, 11.0)))
        parts.append(ellipsoid(p, (side * (gap + 0), wall + 20, -height * 0.62), (5.0, 4.5, 12.0)))
        parts.append(capsule(p, (side * (gap + 1), wall + 14, 2), (side * 2, wall + 26, -8), 3.2, 2.4))
        parts.append(capsule(p, (side * (gap + 1), wall + 15, 2), (side * (gap - 0), wall + 19, -10), 3.2, 1.6))
    drop = -9.0 if lumbar else -20.0
    spine_length = 30.0 if level is not VertebralLevel.L5 else 20.0
    parts.append(capsule(p, (0, wall + 26, -7), (0, wall + 26 + spine_length, drop - 2), 3.4, 2.9 if lumbar else 1.6))
    sdf = np.minimum.reduce(parts)
    return vertebra_from_bone(Bone(name=f"procedural {level}", sdf=sdf.astype(np.float32), origin=origin, step_mm=1.0))


def _pelvis() -> Pelvis:
    """Sacrum as a curved wedge with foramina and alae; hips as curved blades with a ring and femoral heads."""
    p, origin = _grid((-62, -30, -118), (62, 62, 16), 1.5)
    slope = np.radians(40.0)
    q = p @ np.array([[1, 0, 0], [0, np.cos(slope), np.sin(slope)], [0, -np.sin(slope), np.cos(slope)]]).T
    depth_down = -q[..., 2]
    taper = np.clip(1 - depth_down / 125, 0.12, 1.0)
    bend = 14 * (depth_down / 60) ** 2
    body = np.maximum(
        np.abs(q[..., 0]) - 25 * taper,
        np.maximum(np.abs(q[..., 1] + bend * 0.4) - 17 * taper**0.8, np.maximum(q[..., 2], -q[..., 2] - 108)),
    )
    alae = np.maximum(
        np.abs(q[..., 0]) - 54 * np.clip(1 - depth_down / 100, 0.1, 1),
        np.maximum(np.abs(q[..., 1] - 8 + bend * 0.4) - 13 * taper, np.maximum(q[..., 2] + 6, -q[..., 2] - 80)),
    )
    sacrum = np.minimum(body, alae)
    for side in (-1.0, 1.0):
        for k in range(4):
            at = (side * (23 - 2.5 * k), -5 - 0.6 * k * k, -26 - 20 * k)
            sacrum = np.maximum(sacrum, -capsule(q, (at[0], at[1] - 30, at[2]), (at[0], at[1] + 40, at[2]), 4.5))
        sacrum = np.minimum(sacrum, ellipsoid(q, (side * 20, 24, 4), (5.0, 5.0, 11.0)))
    sacrum = np.minimum(sacrum, capsule(q, (0, 24, -12), (0, 20, -70), 3.5))
    bones = [Bone(name="procedural sacrum", sdf=sacrum.astype(np.float32), origin=origin, step_mm=1.5)]
    for side, name in ((-1.0, "right"), (1.0, "left")):
        low = (-152.0, -70.0, -215.0) if side < 0 else (-10.0, -70.0, -215.0)
        high = (10.0, 75.0, 40.0) if side < 0 else (152.0, 75.0, 40.0)
        p, origin = _grid(low, high, 2.0)
        m = p * np.array([side, 1, 1])
        bones.append(Bone(name=f"procedural {name} hip", sdf=_hip(m).astype(np.float32), origin=origin, step_mm=2.0))
    return pelvis_from_bones(bones[0], tuple(bones[1:]))


def _hip(m: Field) -> Field:
    """One hip bone and femoral head, for a right-handed side with x outwards; origin at the S1 endplate."""
    x, y, z = m[..., 0], m[..., 1], m[..., 2]
    rise = np.clip((z + 95) / 110, 0, 1)
    sheet = (x - ((1 - rise) * 74 + rise * (44 + 0.72 * (58 - y)) - 6 * np.sin(rise * np.pi))) * 0.8
    outline = ellipsoid(m * np.array([0.0, 1, 1]), (0, 8, -45), (1e3, 62, 66))
    blade = np.maximum(np.abs(sheet) - (2.2 + 2.5 * np.exp(-(((z + 105) / 25) ** 2))), outline)
    crest = np.maximum(np.abs(outline + 3) - 3.5, np.maximum(np.abs(sheet) - 5.5, -(z + 45)))
    head_at = (86.0, -20.0, -132.0)
    socket = np.maximum(ellipsoid(m, head_at, (30, 30, 30)), -ellipsoid(m, (90, -20, -133), (25.5, 25.5, 25.5)))
    head = ellipsoid(m, head_at, (23, 23, 23))
    neck = capsule(m, head_at, (132, -15, -165), 13, 1.2)
    parts = [
        blade,
        crest,
        socket,
        head,
        neck,
        capsule(m, (68, -38, -122), (10, -62, -150), 6.5, 1.5),
        capsule(m, (10, -62, -150), (38, -45, -195), 6.5),
        capsule(m, (78, -8, -150), (46, -8, -205), 11.0),
        capsule(m, (46, -8, -205), (30, -45, -190), 7.0),
        capsule(m, (66, 32, -58), (74, 5, -112), 11.0),
    ]
    return np.asarray(np.minimum.reduce(parts))


def _ribs(level: VertebralLevel) -> tuple[Bone, ...]:
    """The pair of ribs of one thoracic vertebra, in its body frame: a falling arc of short rods."""
    length = {"T10": 150.0, "T11": 115.0, "T12": 75.0}[level.value]
    bones = []
    for side, name in ((-1.0, "right"), (1.0, "left")):
        t = np.linspace(0, 1, 9)
        angle = t * length / 95.0
        x = side * (18 + 105 * np.sin(np.minimum(angle, 1.9)) * 0.95)
        y = 22 + 16 * np.sin(angle * 1.6) - 95 * (1 - np.cos(angle)) * 0.75
        z = 3 - 62 * angle - 6 * angle**2
        path = np.c_[x, y, z]
        p, origin = _grid(path.min(0) - 9, path.max(0) + 9, 2.0)
        rods = [capsule(p, a, b, 3.4, 1.9) for a, b in pairwise(path)]
        sdf = np.minimum.reduce(rods).astype(np.float32)
        bones.append(Bone(name=f"procedural {name} rib {level}", sdf=sdf, origin=origin, step_mm=2.0))
    return tuple(bones)


@lru_cache(maxsize=1)
def procedural_anatomy() -> Anatomy:
    """The built-in anatomy: T10 to L5, sacrum, hips with femoral heads, ribs 10 to 12."""
    vertebrae: dict[VertebralLevel, Vertebra] = {level: _vertebra(level) for level in BODY_MM}
    ribs = {level: _ribs(level) for level in (VertebralLevel.T10, VertebralLevel.T11, VertebralLevel.T12)}
    return Anatomy(name="procedural", vertebrae=vertebrae, pelvis=_pelvis(), ribs=ribs, shell_factor=0.74)
