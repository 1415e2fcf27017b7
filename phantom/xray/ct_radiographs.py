"""Digitally reconstructed radiographs of a labelled CT, with ROI boxes of its own bodies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from cohort.roi_rule import roi_boxes
from cohort.spine import DETECTED_LEVELS, LEVELS, VertebraBox, VertebralLevel, View
from phantom.bones.density import Skeleton
from phantom.geometry import Geometry, Volume
from phantom.ground_truth import within_field
from phantom.soft_tissue.habitus import L3_LABEL, LabelledCt, half_size_mm, soft_densities
from phantom.soft_tissue.tissue import SoftTissue
from phantom.subject.random_streams import RandomStreams
from phantom.variety import Variety
from phantom.xray.radiograph import ImagedBody, SimulatedImage, sample_field, take_radiograph
from phantom.xray.system import XraySystem

MARROW_HU = 60.0
MINERAL_HU_CM3_G = 1300.0
"""Hounsfield units that a g/cm3 of hydroxyapatite adds at 120 kVp (about 1.3 a mg/cm3); marrow without it has 60."""

BONE_HU = 140.0
"""From here on a voxel outside the labelled bones counts as bone too; contrast medium would as well."""

CANAL_LABEL = 79

HALF_VOXELS = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T

LEAST_VOXELS = 100
"""Fewer are a scrap of a body at the border of the scan."""


def ct_radiographs(ct: LabelledCt, system: XraySystem, seed: int) -> dict[View, SimulatedImage]:
    """AP and lateral radiographs of a CT with boxes of the bodies that are labelled and in the field."""
    skeleton, tissue = _densities(ct)
    points = _body_points(ct)
    images = {}
    for number, view in enumerate(View):
        streams = RandomStreams(np.random.default_rng([seed, number]), torch.Generator().manual_seed(2 * seed + number))
        geometry = sample_field(view, tissue, system, system.spacing_mm(0.6), Variety.NONE, streams.numbers)
        geometry = _within_scan(geometry, skeleton.frame)
        image = take_radiograph(ImagedBody(skeleton, tissue), system, geometry, streams)
        boxes = (within_field(box, geometry.shape) for box in _boxes(points, geometry))
        images[view] = image.with_truth([box for box in boxes if box is not None])
    return images


def _within_scan(geometry: Geometry, scan: Volume) -> Geometry:
    """The field without rows whose rays leave the scan at its top or bottom before they leave the body."""
    low = scan.origin_mm[2]
    high = low + (scan.density.shape[2] - 1) * scan.step_mm
    used = torch.nonzero(scan.density.sum((geometry.across_axis, 2)) > 0).flatten()
    inside = torch.ones(len(geometry.v_mm), dtype=torch.bool)
    for slab in (used[0], used[-1]):
        along = scan.origin_mm[geometry.beam_axis] + float(slab) * scan.step_mm - geometry.source_mm
        height = geometry.centre_mm[1] + geometry.v_mm * along / geometry.distance_mm
        inside &= (height >= low) & (height <= high)
    return replace(geometry, v_mm=geometry.v_mm[inside])


def _densities(ct: LabelledCt) -> tuple[Skeleton, SoftTissue]:
    """Bones and soft tissue on the CT's grid, with the middle of L3 at the origin."""
    labelled = np.isin(ct.label, [*range(25, 51), 75, 76, 77, 78, *range(92, 118)])
    bone = ct.inside & ((labelled & (ct.hu > MARROW_HU)) | (ct.hu > BONE_HU))
    mineral = np.where(bone, np.clip(ct.hu - MARROW_HU, 0, 2500) / MINERAL_HU_CM3_G, 0.0).astype(np.float32)
    soft = np.where(ct.inside, np.where(bone, 45.0, np.clip(ct.hu, -1000, 120)), -1000).astype(np.float32)
    muscle, adipose = soft_densities(soft)
    x, y, z = (float(v) for v in -ct.third_lumbar * ct.step_mm)

    def volume(density: npt.NDArray[np.float32]) -> Volume:
        return Volume(torch.from_numpy(np.ascontiguousarray(density)), (x, y, z), ct.step_mm)

    nothing = Volume(torch.zeros(2, 2, 2), (-1.0, -1.0, -1.0), 1.0)
    none = torch.full((2, 2, 2), -1, dtype=torch.int8)
    skeleton = Skeleton(spine=nothing, frame=volume(mineral), owner=none, posterior=none > 0)
    middle = ct.inside[:, :, int(ct.third_lumbar[2])]
    back = float(np.nonzero(middle.any(0))[0].max()) * ct.step_mm + y
    return skeleton, SoftTissue(
        muscle=volume(muscle), adipose=volume(adipose), back_mm=back, side_mm=half_size_mm(ct)[0], habitus="ct"
    )


def _body_points(ct: LabelledCt) -> dict[VertebralLevel, npt.NDArray[np.float64]]:
    """Voxel corners (n, 3) in mm of each whole body: what of a vertebra lies in front of its canal; all of S1."""
    points = {}
    canal = np.argwhere(ct.label == CANAL_LABEL)
    for level in DETECTED_LEVELS:
        voxels = np.argwhere(ct.label == L3_LABEL + LEVELS.index(VertebralLevel.L3) - LEVELS.index(level))
        near = canal[np.isin(canal[:, 2], np.unique(voxels[:, 2]))]
        if level is not VertebralLevel.S1 and len(near):
            voxels = voxels[voxels[:, 1] < np.percentile(near[:, 1], 2)]
        if len(voxels) < LEAST_VOXELS or voxels[:, 2].min() == 0 or voxels[:, 2].max() == ct.label.shape[2] - 1:
            continue
        corners = (voxels[:, None] + HALF_VOXELS).reshape(-1, 3)
        points[level] = (corners - ct.third_lumbar) * ct.step_mm
    return points


def _boxes(points: dict[VertebralLevel, npt.NDArray[np.float64]], geometry: Geometry) -> tuple[VertebraBox, ...]:
    projected = {k: geometry.project_points(torch.from_numpy(p).float()).numpy() for k, p in points.items()}
    return roi_boxes(projected, (geometry.spacing_mm, geometry.spacing_mm))
