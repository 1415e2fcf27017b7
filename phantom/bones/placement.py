"""A rigid pose and a shape: from a bone's own frame to the patient."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from phantom.bones.anatomy import Vector

BEHIND_MM = 6.0
"""Depth behind the body's back wall over which a crush fades out, so that pedicles keep their height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Body frame of the source to the patient.

    A source point p goes to `centre + rotation @ bent(shaped(p))`: shaping scales the axes, wedges the front against
    the back, dishes the endplates and crushes the body; bending adds a smooth low-order displacement.

    Attributes:
        rotation: (3, 3), columns are the body's axes in the patient.
        centre: of the body in the patient, mm.
        scale: (3,) along the body's axes.
        half_depth, half_width, half_height: of the scaled body, mm.
        wedge, dish, crush: fractions of height lost in front, in the middle, everywhere.
        bend: (3, 4) mm; displacement along x, y, z for the terms xy, yz, zx and z^2 of normalised coordinates.
    """

    rotation: Vector
    centre: Vector
    scale: Vector
    half_depth: float = 1e6
    half_width: float = 1e6
    half_height: float = 1e6
    wedge: float = 0.0
    dish: float = 0.0
    crush: float = 0.0
    bend: Vector = field(default_factory=lambda: np.zeros((3, 4)))

    @property
    def greatest_stretch(self) -> float:
        """Bound of how much farther apart near points lie before shaping, but for the scale, than in the patient."""
        wide, deep, tall = 1.5 / np.array((self.half_width, self.half_depth, self.half_height))
        slopes = np.array((np.hypot(wide, deep), np.hypot(deep, tall), np.hypot(tall, wide), 2 * tall))
        bent = 1 + float(np.linalg.norm(np.abs(self.bend) @ slopes))
        left = max(1 - self.wedge - self.dish - self.crush, 0.05)
        steepest = self.wedge / (2 * self.half_depth) + 2 * self.dish / min(self.half_width, self.half_depth)
        steepest += self.crush / BEHIND_MM
        return bent * (1 / left + 3 * self.half_height * steepest / left**2)

    def height_factor(self, x: Vector, y: Vector) -> Vector:
        """Local factor on height at scaled x, y in mm; 1 where nothing is lost."""
        forward = np.clip(-y / self.half_depth, -1.0, 1.0)
        radius = np.clip((x / self.half_width) ** 2 + (y / self.half_depth) ** 2, 0.0, 1.0)
        in_body = np.clip((self.half_depth + BEHIND_MM - y) / BEHIND_MM, 0.0, 1.0)
        return np.asarray(1 - self.wedge * (0.5 + 0.5 * forward) - self.dish * (1 - radius) - self.crush * in_body)

    def displacement(self, points: Vector) -> Vector:
        """Smooth displacement in mm at shaped points (n, 3)."""
        x, y, z = (np.clip(points / (self.half_width, self.half_depth, self.half_height), -1.5, 1.5)).T
        return np.asarray(np.stack((x * y, y * z, z * x, z * z), 1) @ self.bend.T)

    def to_patient(self, points: Vector) -> Vector:
        """Body-frame points (n, 3) to patient mm."""
        shaped = points * self.scale
        shaped[:, 2] *= self.height_factor(shaped[:, 0], shaped[:, 1])
        return np.asarray(self.centre + (shaped + self.displacement(shaped)) @ self.rotation.T)
