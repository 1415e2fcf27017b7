"""Studies that are timed: the examples, a folder, many lines for the same files, larger and very small radiographs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from cohort.io.folder import index_cohort
from cohort.spine import View
from cohort.study import Study
from osteolens.shipped import shipped_examples

PLACEHOLDER = 10**24
"""Numbers of this length stand for a study or an object in the headers of `many_headers`."""


def examples() -> tuple[Study, ...]:
    """The six in-silico studies that are shipped."""
    return index_cohort(shipped_examples()).studies


def studies_of(cohort: Path | None, most: int) -> tuple[Study, ...]:
    """Some studies of a folder that have both views; of the examples without one."""
    found = examples() if cohort is None else index_cohort(cohort).studies
    return tuple(study for study in found if study.ap and study.lateral)[:most]


def write_manifest(path: Path, studies: Sequence[Study], count: int) -> Path:
    """A manifest of so many studies, which name the files of these studies again and again.

    Args:
        path: CSV to write.
        studies: with both views.
        count: lines.
    """
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("study_uid", "patient_id", "ap", "lateral"))
        for number, study in enumerate(islice(cycle(studies), count)):
            images = [str(image.resolve()) if image else "" for image in (study.ap, study.lateral)]
            writer.writerow((f"study-{number:06d}", f"patient-{number:06d}", *images))
    return path


def larger_study(study: Study, side_px: int, folder: Path) -> Study:
    """The same study with radiographs that are enlarged to a longer side of so many pixels, not compressed.

    Args:
        study: DICOM files.
        side_px: longer side.
        folder: to write into.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for view, path in study.images:
        dataset = pydicom.dcmread(path)
        pixels = dataset.pixel_array
        scale = side_px / max(pixels.shape)
        wide, tall = (round(scale * length) for length in (pixels.shape[1], pixels.shape[0]))
        larger = cv2.resize(pixels, (wide, tall), interpolation=cv2.INTER_LINEAR).astype(pixels.dtype)
        dataset.PixelData = np.ascontiguousarray(larger).tobytes()
        dataset["PixelData"].is_undefined_length = False
        dataset["PixelData"].VR = "OW" if larger.itemsize > 1 else "OB"
        dataset.Rows, dataset.Columns = tall, wide
        for name in ("PixelSpacing", "ImagerPixelSpacing"):
            if name in dataset:
                setattr(dataset, name, [float(f"{float(value) / scale:.6g}") for value in dataset[name].value])
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(folder / f"{view}_{path.name}", enforce_file_format=True)
    (larger_one,) = index_cohort(folder).studies
    return larger_one


def many_headers(folder: Path, count: int) -> None:
    """DICOM files of two a study with the headers of an example and an image of 16 x 16 pixels.

    Args:
        folder: to write into; a folder a study.
        count: files.
    """
    (study, *_) = examples()
    templates = [_small_file(folder / f"{view}.dcm", path) for view, path in study.images]
    for number in range(count):
        place = folder / f"study-{number // 2:06d}"
        place.mkdir(exist_ok=True)
        content = templates[number % 2]
        content = content.replace(str(PLACEHOLDER).encode(), str(PLACEHOLDER + 2 + number // 2).encode())
        content = content.replace(str(PLACEHOLDER + 1).encode(), str(2 * PLACEHOLDER + number).encode())
        (place / f"{(View.AP, View.LATERAL)[number % 2]}.dcm").write_bytes(content)


def _small_file(path: Path, source: Path) -> bytes:
    """A file whose study, patient and object are called by PLACEHOLDER."""
    dataset = pydicom.dcmread(source)
    dataset.PixelData = bytes(2 * 16 * 16)
    dataset["PixelData"].is_undefined_length = False
    dataset["PixelData"].VR = "OW"
    dataset.Rows = dataset.Columns = 16
    stem = generate_uid(entropy_srcs=["performance"])[:24].rstrip(".")
    dataset.StudyInstanceUID = f"{stem}.{PLACEHOLDER}"
    dataset.PatientID = str(PLACEHOLDER)
    dataset.SOPInstanceUID = f"{stem}.{PLACEHOLDER + 1}"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    content = path.read_bytes()
    path.unlink()
    return content
