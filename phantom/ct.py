"""Radiographs of a real CT: both views digitally reconstructed and added to a cohort folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydicom.uid import generate_uid

from osteolens.atomic import make_folder
from osteolens.extras import require
from phantom.plan import check_tables
from phantom.records import PatientRecord, StudyRow, image_record, write_record
from phantom.tables import write_tables
from phantom.xray.system import SYSTEMS, SimulatedSite


@dataclass(frozen=True, slots=True)
class CtStudy:
    """A CT's study in a cohort folder: its patient's name and the number of boxes in both views."""

    patient_id: str
    boxes: int


def simulate_ct(ct: Path, labels: Path, out: Path, site: SimulatedSite = SimulatedSite.TEST1, seed: int = 0) -> CtStudy:
    """Add both views of one CT to a cohort folder.

    The patient is named after the CT's file. Several CTs, or simulated patients and CTs, may share a folder.

    Args:
        ct: NIfTI in Hounsfield units.
        labels: NIfTI of TotalSegmentator's labels on the same grid.
        out: cohort folder to write.
        site: whose X-ray system takes the images.
        seed: of field, noise and display.

    Raises:
        MissingExtra: torch or nibabel is not installed.
        AnatomyError: the CT or its labels cannot be used.
        ConfigError: the folder holds a cohort that is not simulated.
        OutputError: the folder cannot be written.
    """
    require("simulate ct", "torch", "nibabel")
    import torch

    from phantom.soft_tissue.habitus import read_ct
    from phantom.xray.ct_radiographs import ct_radiographs
    from phantom.xray.dicom import StudyHeader, write_radiographs

    check_tables(out)
    volume = read_ct(ct, labels)
    system = SYSTEMS[site][0]
    patient_id = "CT-" + re.sub(r"[^A-Za-z0-9_-]", "_", ct.name.partition(".")[0])
    folder = out / patient_id
    make_folder(folder)
    header = StudyHeader(
        patient_id=patient_id,
        study_uid=generate_uid(entropy_srcs=[patient_id, "ct"]),
        study_date=date(2020, 1, 1),
        system=system,
    )
    with torch.inference_mode():
        images = ct_radiographs(volume, system, seed)
    write_radiographs(folder, header, images)
    row = StudyRow(patient_id=patient_id, study_uid=header.study_uid, site=site, machine=system.name)
    records = {view: image_record(view, image, seed) for view, image in images.items()}
    write_record(PatientRecord(row=row, images=records), folder)
    write_tables(out)
    return CtStudy(patient_id, sum(len(image.boxes) for image in images.values()))
