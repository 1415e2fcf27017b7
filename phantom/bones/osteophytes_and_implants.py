"""Mineral and metal beside the plain bones: osteophytes, sacral bridges, aortic plaques, screws and cement."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

from cohort.spine import VertebralLevel
from phantom.bones.anatomy import Bone, Vector
from phantom.bones.placement import Placement
from phantom.bones.posture import Posture
from phantom.geometry import Volume
from phantom.subject.pathology import Implant, Pathology

TITANIUM_G_CM3 = 9.0
"""Hydroxyapatite of equal attenuation: 4.5 g/cm3 times about 2 (mu/rho of Ti over HA, 30 to 60 keV; NIST XCOM)."""

CEMENT_G_CM3 = 2.5
"""The same for bone cement with a fifth of barium sulphate, by the mass attenuation of barium at 50 keV."""

AORTA_MM = (11.0, 11.0)
"""Radius of the abdominal aorta, and its axis left of the midline."""


def _ellipsoid(name: str, centre: Vector, radii: Vector, turn: Vector) -> Bone:
    """An ellipsoid as a signed distance on a 1 mm grid in its carrier's frame; its axes are the columns of `turn`."""
    reach = float(radii.max()) + 3.0
    origin = np.floor(centre - reach)
    size = int(np.ceil(2 * reach)) + 2
    lines = [origin[k] + np.arange(size) for k in range(3)]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), -1) - centre
    q = points @ turn / radii
    length = np.linalg.norm(q, axis=-1)
    gradient = np.maximum(np.linalg.norm(q / radii, axis=-1), 1e-6)
    sdf = ((length - 1) * length / gradient).astype(np.float32)
    return Bone(name=name, sdf=sdf, origin=origin, step_mm=1.0)


def osteophyte_bones(
    pathology: Pathology, body: VertebralLevel, size_mm: tuple[float, float, float], placement: Placement
) -> list[Bone]:
    """Spurs of one body in its scaled frame: flat beaks that leave the rim outwards and towards the disc.

    Args:
        pathology: with the spurs of all bodies.
        body: whose spurs are built.
        size_mm: (width, depth, height) of the body before scaling.
        placement: scale and loss of height of the body.
    """
    halves = np.array(size_mm) * placement.scale / 2
    bones = []
    for spur in pathology.osteophytes:
        if spur.body is not body:
            continue
        angle = np.radians(spur.angle_deg)
        outward = np.array([np.sin(angle), -np.cos(angle), 0.0])
        rim = np.array([outward[0] * halves[0], outward[1] * halves[1], spur.end * (halves[2] - 2.0)])
        local = rim * 0.96 + outward * spur.length_mm * 0.35 + np.array([0, 0, spur.end * 0.12 * spur.length_mm])
        local[2] *= placement.height_factor(local[:1], local[1:2])[0]
        leaning = np.array([0, 0, float(spur.end)]) * 0.45 + outward
        first = leaning / np.linalg.norm(leaning)
        second = np.cross(first, [0.0, 0.0, 1.0])
        second /= np.linalg.norm(second)
        turn = np.stack((first, second, np.cross(first, second)), 1)
        radii = np.array([0.75 * spur.length_mm + 1.5, 3.0 + 0.8 * spur.length_mm, 1.6 + 0.12 * spur.length_mm])
        bones.append(_ellipsoid("osteophyte", local, radii, turn))
    return bones


def sacral_bridges(pathology: Pathology, lowest: Placement) -> list[Bone]:
    """Enlarged transverse processes that join a sacralised vertebra to the sacrum (Castellvi II to III)."""
    if pathology.sacralised <= 0:
        return []
    grown = 0.5 + 0.5 * pathology.sacralised
    radii = np.array([13.0, 9.0, 17.0]) * grown
    return [
        _ellipsoid(
            "sacral bridge",
            np.array([side * (lowest.half_width + 12.0), lowest.half_depth + 4.0, -9.0]),
            radii,
            np.eye(3),
        )
        for side in (-1.0, 1.0)
    ]


def aortic_plaques(pathology: Pathology, posture: Posture, frame: Volume) -> Volume:
    """The frame with plaques added on a tube before the spine, left of its midline; it parts at the fourth body."""
    if not pathology.plaques:
        return frame
    density = frame.density.clone()
    radius, left = AORTA_MM
    bodies = sorted(posture.vertebrae.values(), key=lambda p: p.centre[2])
    heights = [p.centre[2] for p in bodies]
    for plaque in pathology.plaques:
        front = np.interp(plaque.z_mm, heights, [p.centre[1] - p.half_depth for p in bodies]) - radius - 3
        middle = np.interp(plaque.z_mm, heights, [p.centre[0] for p in bodies]) + left
        angle = np.radians(plaque.angle_deg)
        at = np.array([middle + radius * np.cos(angle), front + radius * np.sin(angle), plaque.z_mm])
        tangent = np.array([-np.sin(angle), np.cos(angle), 0.0])
        normal = np.array([np.cos(angle), np.sin(angle), 0.0])
        box, points = _window(frame, at, max(plaque.length_mm, plaque.width_mm) / 2 + 4)
        if box is None:
            continue
        offset = points - torch.tensor(at, dtype=torch.float32, device=density.device)
        along = (offset[..., 2] / (plaque.length_mm / 2)) ** 2
        along += ((offset @ _vector(tangent, offset)) / (plaque.width_mm / 2)) ** 2
        across = (offset @ _vector(normal, offset)).abs()
        density[box] += plaque.g_cm3 * torch.sigmoid(4 * (1 - along)) * (1 - across / 3.0).clamp(0, 1)
    return Volume(density, frame.origin_mm, frame.step_mm)


def implants(pathology: Pathology, posture: Posture, device: torch.device) -> Volume | None:
    """Pedicle screws with rods, or cement in the bodies, on a grid of their own; None without."""
    if pathology.implant is Implant.NONE:
        return None
    placements = [posture.vertebrae[body] for body in pathology.implant_bodies]
    centres = np.array([p.centre for p in placements])
    low = centres.min(0) - np.array([45.0, 35.0, 25.0])
    high = centres.max(0) + np.array([45.0, 70.0, 25.0])
    shape = tuple(int(n) for n in np.ceil(high - low) + 1)
    x, y, z = (float(v) for v in low)
    volume = Volume(torch.zeros(shape, device=device), (x, y, z), 1.0)
    if pathology.implant is Implant.CEMENT:
        for k, placement in enumerate(placements):
            rng = np.random.default_rng([k, round(1000 * placement.half_width)])
            for _ in range(6):
                local = rng.normal(0, [8.0, 6.0, 3.5])
                _add_rod(volume, placement, local, local + rng.normal(0, 3, 3), float(rng.uniform(3, 6)), CEMENT_G_CM3)
        return volume
    for side in (-1.0, 1.0):
        heads = []
        for placement in placements:
            entry = np.array([side * (0.30 * 2 * placement.half_width + 4), placement.half_depth + 24.0, 6.0])
            tip = np.array([side * 0.30 * placement.half_width, -0.45 * placement.half_depth, 3.0])
            _add_rod(volume, placement, entry, tip, 3.1, TITANIUM_G_CM3)
            _add_rod(volume, placement, entry, entry + np.array([0, 9.0, 0]), 6.0, TITANIUM_G_CM3)
            heads.append(placement.centre + placement.rotation @ (entry + np.array([0, 6.0, 0])))
        for upper, lower in pairwise(heads):
            _add_rod(volume, None, upper, lower, 2.8, TITANIUM_G_CM3)
    return volume


def _add_rod(
    volume: Volume, placement: Placement | None, start: Vector, end: Vector, radius: float, g_cm3: float
) -> None:
    """A capsule with a soft border, in a body's frame or the patient's, laid over what is there."""
    a, b = (p if placement is None else placement.centre + placement.rotation @ p for p in (start, end))
    box, points = _window(volume, (a + b) / 2, float(np.linalg.norm(b - a)) / 2 + radius + 2)
    if box is None:
        return
    run = _vector(b - a, points)
    offset = points - _vector(a, points)
    along = ((offset @ run) / float((b - a) @ (b - a) + 1e-6)).clamp(0, 1)
    distance = torch.linalg.vector_norm(offset - along[..., None] * run, dim=-1) - radius
    volume.density[box] = torch.maximum(volume.density[box], g_cm3 * (0.5 - distance / volume.step_mm).clamp(0, 1))


def _vector(values: Vector, like: torch.Tensor) -> torch.Tensor:
    return torch.tensor(np.asarray(values), dtype=torch.float32, device=like.device)


def _window(volume: Volume, at: Vector, reach: float) -> tuple[tuple[slice, ...] | None, torch.Tensor]:
    """The part of a volume within `reach` of a point, and its points (nx, ny, nz, 3) in mm; None when it is outside."""
    box, lines = [], []
    for axis, size in enumerate(volume.density.shape):
        first = max(0, int((at[axis] - reach - volume.origin_mm[axis]) / volume.step_mm))
        last = min(size, int((at[axis] + reach - volume.origin_mm[axis]) / volume.step_mm) + 1)
        if last <= first:
            return None, volume.density
        box.append(slice(first, last))
        steps = torch.arange(first, last, dtype=torch.float32, device=volume.density.device)
        lines.append(volume.origin_mm[axis] + steps * volume.step_mm)
    return tuple(box), torch.stack(torch.meshgrid(*lines, indexing="ij"), -1)
