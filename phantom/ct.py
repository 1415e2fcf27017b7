"""Radiographs of a real CT: both views digitally reconstructed, with ROI boxes from its own labelled bones."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pydicom.uid import generate_uid

from cohort.roi_rule import roi_boxes
from cohort.spine import DETECTED_LEVELS, LEVELS, VertebraBox, VertebralLevel, View
from phantom.bones.density import Skeleton
from phantom.cohort import image_record, write_record
from phantom.geometry import Geometry, Volume
from phantom.ground_truth import within_field
from phantom.soft_tissue.habitus import L3_LABEL, LabelledCt, half_size_mm, read_ct, soft_densities
from phantom.soft_tissue.tissue import SoftTissue
from phantom.subject.pathology import Exposure
from phantom.tables import write_tables
from phantom.variety import Variety
from phantom.xray.dicom import radiograph_dataset
from phantom.xray.radiograph import SimulatedImage, sample_field, take_radiograph
from phantom.xray.system import SYSTEMS

MARROW_HU = 60.0
MINERAL_HU_CM3_G = 1300.0
"""Hounsfield units that a g/cm3 of hydroxyapatite adds at 120 kVp (about 1.3 a mg/cm3); marrow without it has 60."""

BONE_HU = 140.0
"""From here on a voxel outside the labelled bones counts as bone too; contrast medium would as well."""

CANAL_LABEL = 79

HALF_VOXELS = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T

LEAST_VOXELS = 100
"""Fewer are a scrap of a body at the border of the scan."""


def ct_study(ct: Path, labels: Path, out: Path, site: str = "test1", seed: int = 0) -> int:
    """Add both views of one CT to the cohort folder `out`; returns the number of boxes.

    The patient is named after the CT's file. Several CTs, or simulated patients and CTs, may share a folder.

    Args:
        ct: NIfTI in Hounsfield units.
        labels: NIfTI of TotalSegmentator's labels on the same grid.
        out: cohort folder to write.
        site: whose system takes the images.
        seed: of field, noise and display.

    Raises:
        AnatomyError: the CT or its labels cannot be used.
    """
    volume = read_ct(ct, labels)
    patient_id = "CT-" + re.sub(r"[^A-Za-z0-9_-]", "_", ct.name.partition(".")[0])
    folder = out / patient_id
    folder.mkdir(parents=True, exist_ok=True)
    study_uid = generate_uid(entropy_srcs=[patient_id, "ct"])
    with torch.inference_mode():
        images = ct_radiographs(volume, site, seed)
    for view, image in images.items():
        dataset = radiograph_dataset(patient_id, view, image, SYSTEMS[site][0], study_uid, date(2020, 1, 1))
        dataset.save_as(folder / f"{view}.dcm", enforce_file_format=True)
    row = {"patient_id": patient_id, "study_uid": study_uid, "site": site, "machine": SYSTEMS[site][0].name}
    records = {str(view): image_record(view, image, seed) for view, image in images.items()}
    write_record({"row": row, "images": records}, folder)
    write_tables(out)
    return sum(len(image.boxes) for image in images.values())


def ct_radiographs(ct: LabelledCt, site: str, seed: int) -> dict[View, SimulatedImage]:
    """AP and lateral radiographs of a CT with boxes of the bodies that are labelled and in the field."""
    system = SYSTEMS[site][0]
    skeleton, tissue = _densities(ct)
    points = _body_points(ct)
    images = {}
    for number, view in enumerate(View):
        rng = np.random.default_rng([seed, number])
        generator = torch.Generator().manual_seed(2 * seed + number)
        geometry = sample_field(view, tissue, system, system.spacing_mm(0.6), Variety.NONE, rng)
        geometry = _within_scan(geometry, skeleton.frame)
        image, (right, down) = take_radiograph(view, skeleton, tissue, system, geometry, Exposure.GOOD, rng, generator)
        size = len(geometry.u_mm), len(geometry.v_mm)
        seen = [kept for box in _boxes(points, geometry) if (kept := within_field(box, *size)) is not None]
        images[view] = replace(image, boxes=tuple(box.moved(right, down) for box in seen))
    return images


def _within_scan(geometry: Geometry, scan: Volume) -> Geometry:
    """The field without rows whose rays leave the scan at its top or bottom before they leave the body."""
    low = scan.origin_mm[2]
    high = low + (scan.density.shape[2] - 1) * scan.step_mm
    used = torch.nonzero(scan.density.sum((geometry.across_axis, 2)) > 0).flatten()
    kept = torch.ones(len(geometry.v_mm), dtype=torch.bool)
    for slab in (used[0], used[-1]):
        along = scan.origin_mm[geometry.beam_axis] + float(slab) * scan.step_mm - geometry.source_mm
        height = geometry.centre_mm[1] + geometry.v_mm * along / geometry.distance_mm
        kept &= (height >= low) & (height <= high)
    return replace(geometry, v_mm=geometry.v_mm[kept])


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
    skeleton = Skeleton(nothing, volume(mineral), none, none > 0)
    middle = ct.inside[:, :, int(ct.third_lumbar[2])]
    back = float(np.nonzero(middle.any(0))[0].max()) * ct.step_mm + y
    return skeleton, SoftTissue(volume(muscle), volume(adipose), back, half_size_mm(ct)[0], "ct")


def _body_points(ct: LabelledCt) -> dict[VertebralLevel, npt.NDArray[np.float64]]:
    """Voxel corners (n, 3) in mm of each whole body: what of a vertebra lies in front of its canal; all of S1."""
    found = {}
    canal = np.argwhere(ct.label == CANAL_LABEL)
    for level in DETECTED_LEVELS:
        voxels = np.argwhere(ct.label == L3_LABEL + LEVELS.index(VertebralLevel.L3) - LEVELS.index(level))
        near = canal[np.isin(canal[:, 2], np.unique(voxels[:, 2]))]
        if level is not VertebralLevel.S1 and len(near):
            voxels = voxels[voxels[:, 1] < np.percentile(near[:, 1], 2)]
        if len(voxels) < LEAST_VOXELS or voxels[:, 2].min() == 0 or voxels[:, 2].max() == ct.label.shape[2] - 1:
            continue
        corners = (voxels[:, None] + HALF_VOXELS).reshape(-1, 3)
        found[level] = (corners - ct.third_lumbar) * ct.step_mm
    return found


def _boxes(points: dict[VertebralLevel, npt.NDArray[np.float64]], geometry: Geometry) -> tuple[VertebraBox, ...]:
    projected = {k: geometry.project_points(torch.from_numpy(p).float()).numpy() for k, p in points.items()}
    return roi_boxes(projected, (geometry.spacing_mm, geometry.spacing_mm))
