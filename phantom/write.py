"""Write an in-silico cohort as a hospital's folder: DICOM DX, cohort.csv, rois.csv, simulation.json."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import torch
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, JPEGLSLossless, generate_uid

from cohort.errors import ConfigError
from cohort.spine import View
from phantom.machine import MACHINES, Machine
from phantom.meshes import load_anatomies
from phantom.patient import SimulatedImage, SimulatedPatient, simulate_patient
from phantom.population import draw_person
from phantom.posture import Variety
from phantom.tissue import load_ct

log = logging.getLogger(__name__)

NOTICE = "In-silico: simulated radiographs and DXA. No patient, no clinical evidence."


@dataclass(frozen=True, slots=True)
class SimulationPlan:
    """What to simulate.

    Attributes:
        out: cohort folder.
        patients: number of patients.
        seed: seed of the cohort; another seed is another population.
        site: machine and hospital, one of MACHINES, or "mixed" for all in turn.
        spacing_mm: detector pixel.
        anatomy: folder of meshes, or None for the built-in anatomy.
        device: torch device.
        start: index of the first patient.
        variety: USUAL draws people as they are, WIDE pelvis and field further apart, to train a detector on.
    """

    out: Path
    patients: int
    seed: int = 0
    site: str = "mixed"
    spacing_mm: float = 0.6
    anatomy: Path | None = None
    device: str = "cpu"
    start: int = 0
    variety: Variety = Variety.USUAL


def simulate_cohort(plan: SimulationPlan, done: Callable[[int], None] = lambda _: None) -> int:
    """Simulate and write every patient that is not written yet; returns how many were simulated now.

    A patient counts as written once its `patient.json` stands, so an interrupted run goes on where it stopped.

    Raises:
        ConfigError: unknown site, no patients, or a folder of another plan.
        AnatomyError: the anatomy folder cannot be used.
    """
    check_plan(plan)
    _claim_folder(plan)
    anatomies, ct = load_anatomies(plan.anatomy), load_ct(plan.anatomy)
    device = torch.device(plan.device)
    fresh = 0
    for index in range(plan.start, plan.start + plan.patients):
        person = draw_person(index, plan.seed)
        folder = plan.out / person.patient_id
        if not (folder / "patient.json").is_file():
            site = list(MACHINES)[index % len(MACHINES)] if plan.site == "mixed" else plan.site
            with torch.inference_mode():
                patient = simulate_patient(person, anatomies, ct, MACHINES[site], plan.spacing_mm, device, plan.variety)
            _write_patient(folder, patient, MACHINES[site], site)
            fresh += 1
        done(index - plan.start + 1)
    _write_tables(plan.out)
    return fresh


def check_plan(plan: SimulationPlan) -> None:
    """Refuse an impossible plan before anything is written.

    Raises:
        ConfigError: unknown site, no patients, or an absurd pixel.
    """
    if plan.patients < 1 or not 0.1 <= plan.spacing_mm <= 2.0:
        raise ConfigError(
            f"simulate: got {plan.patients} patients at {plan.spacing_mm} mm; expected >= 1 and 0.1-2.0 mm"
        )
    if plan.site != "mixed" and plan.site not in MACHINES:
        raise ConfigError(f"site {plan.site!r} is unknown; choose one of mixed, {', '.join(MACHINES)}")


def _claim_folder(plan: SimulationPlan) -> None:
    stated = {
        "notice": NOTICE,
        "seed": plan.seed,
        "site": plan.site,
        "spacing_mm": plan.spacing_mm,
        "variety": str(plan.variety),
        "anatomies": "built-in" if plan.anatomy is None else "built-in and meshes",
    }
    path = plan.out / "simulation.json"
    if path.is_file():
        found = json.loads(path.read_text())
        if found != stated:
            raise ConfigError(
                f"{path}: found a cohort of {found}, expected {stated}; give another --out or the same settings"
            )
        return
    plan.out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stated, indent=1))


def _write_patient(folder: Path, patient: SimulatedPatient, machine: Machine, site: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    person, dxa = patient.person, patient.dxa
    study_uid = generate_uid(entropy_srcs=[person.patient_id, "study"])
    study_date = date(2020, 1, 1) + timedelta(days=person.seed % 700)
    for view, image in patient.images.items():
        dataset = _dicom(patient, view, image, machine, study_uid, study_date)
        dataset.save_as(folder / f"{view}.dcm", enforce_file_format=True)
    record = {
        "patient_id": person.patient_id,
        "study_uid": study_uid,
        "site": site,
        "study_date": study_date.isoformat(),
        "age_years": person.age_years,
        "sex": str(person.sex),
        "height_cm": person.height_cm,
        "weight_kg": person.weight_kg,
        "t_score": dxa.t_score,
        "bmd_g_cm2": dxa.bmd_g_cm2,
        **{f"t_score_{level}": value for level, value in dxa.t_score_by_level.items()},
        "dxa_date": (study_date + timedelta(days=person.seed % 90)).isoformat(),
        "vbmd_mg_cm3": round(person.vbmd_mg_cm3, 1),
        "posterior_share": round(patient.posterior_share, 3),
        "anatomy": patient.anatomy,
        "boxes": {
            str(view): {str(b.level): [round(float(v), 1) for v in b.corners] for b in image.boxes}
            for view, image in patient.images.items()
        },
    }
    partial = folder / "patient.json.partial"
    partial.write_text(json.dumps(record))
    partial.replace(folder / "patient.json")


def _dicom(
    patient: SimulatedPatient,
    view: View,
    image: SimulatedImage,
    machine: Machine,
    study_uid: str,
    study_date: date,
) -> FileDataset:
    """A DX image for presentation, 12 bits, JPEG-LS lossless (DICOM PS3.3 A.26)."""
    person = patient.person
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[person.patient_id, str(view)])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.StudyInstanceUID = study_uid
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=[person.patient_id, str(view), "series"])
    ds.PatientID, ds.PatientName = person.patient_id, "In-silico^OsteoLens"
    ds.PatientBirthDate = ""
    ds.PatientSex = str(person.sex)
    ds.PatientAge = f"{int(person.age_years):03d}Y"
    ds.PatientSize, ds.PatientWeight = round(person.height_cm / 100, 3), person.weight_kg
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber, ds.StudyID = study_date.strftime("%Y%m%d"), "120000", "", "1"
    ds.ReferringPhysicianName = ""
    ds.Modality, ds.Manufacturer, ds.StationName = "DX", "OsteoLens in-silico", machine.name
    ds.SeriesNumber, ds.InstanceNumber = (1 if view is View.AP else 2), 1
    ds.SeriesDescription = "L-SPINE AP (in-silico)" if view is View.AP else "L-SPINE LAT (in-silico)"
    ds.ImageComments = NOTICE
    ds.BodyPartExamined, ds.PresentationIntentType = "LSPINE", "FOR PRESENTATION"
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.ViewPosition = "AP" if view is View.AP else "LL"
    ds.ImageLaterality, ds.PatientOrientation = "U", ["L", "F"] if view is View.AP else ["P", "F"]
    ds.KVP, ds.DistanceSourceToDetector = image.kvp, 1150
    spacing = [f"{image.spacing_mm:.4f}"] * 2
    ds.ImagerPixelSpacing = spacing
    if machine.spacing_attribute == "PixelSpacing":
        ds.PixelSpacing = spacing
        ds.PixelSpacingCalibrationType = "GEOMETRY"
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    stored, (centre, width) = image.stored, image.window
    ds.PresentationLUTShape = "IDENTITY"
    if machine.photometric == "MONOCHROME1":
        stored, centre = 4095 - stored, 4095 - centre
        ds.PresentationLUTShape = "INVERSE"
    ds.PhotometricInterpretation = machine.photometric
    ds.WindowCenter, ds.WindowWidth = f"{centre:.1f}", f"{width:.1f}"
    ds.Rows, ds.Columns = stored.shape
    ds.SamplesPerPixel, ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 1, 16, 12, 11, 0
    ds.BurnedInAnnotation, ds.LossyImageCompression = "NO", "00"
    ds.PixelData = stored.astype("<u2").tobytes()
    ds.compress(JPEGLSLossless, generate_instance_uid=False)
    return ds


def _records(out: Path) -> Iterator[dict[str, object]]:
    for path in sorted(out.glob("*/patient.json")):
        yield json.loads(path.read_text())


def _write_tables(out: Path) -> None:
    """cohort.csv and rois.csv from the patients' records."""
    rows, rois = [], []
    for record in _records(out):
        boxes = record.pop("boxes")
        rows.append(record)
        assert isinstance(boxes, dict)
        for view, levels in boxes.items():
            for level, corners in levels.items():
                rois.append([record["study_uid"], view, level, *corners])
    pd.DataFrame(rows).to_csv(out / "cohort.csv", index=False)
    pd.DataFrame(rois, columns=["study_uid", "view", "level", "x0", "y0", "x1", "y1"]).to_csv(
        out / "rois.csv", index=False
    )
