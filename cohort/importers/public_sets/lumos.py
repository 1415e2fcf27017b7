"""LUMOS: lumbar radiographs with DXA, as its owners publish them and as the Kaggle copy holds them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from tokenize import TokenError
from zipfile import BadZipFile, ZipInfo

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.uid import generate_uid

from cohort.importers.drawn import Contents, DrawnImage, LeftOut
from cohort.importers.public_sets.lumos_table import KAGGLE, OWNERS, Line, cohort_row_of, patient_number, read_lines
from cohort.importers.sources.archive import is_zip, members_of, store_member
from cohort.importers.sources.documents import copy_file, is_file
from cohort.io.dicom.read import MAX_PIXELS, read_header
from cohort.io.tables.rows import CohortRow
from cohort.spine import View
from osteolens.documents.text import visible
from osteolens.errors import ReadError

LICENCE = "LUMOS is CC BY-NC 4.0: name its authors, and use it and what was trained on it for no commercial purpose"

VIEW_OF_NUMBER = {"1": View.AP, "2": View.LATERAL}
"""View by the number at the end of a file's name. A header or the detector may give another view."""

_NAME = re.compile(r"lumos_x_(\d{1,9})_(\d+)(?:\.(?:dcm|dicom|ima))?", re.IGNORECASE)
_TABLES = (".csv", ".xlsx")
_ARRAY_FAULTS = (
    OSError, ValueError, EOFError, SyntaxError, TokenError, BadZipFile, TypeError, KeyError, OverflowError, MemoryError,
    RecursionError,
)  # fmt: skip
"""What numpy raises for a broken .npy, whose header is Python text."""


def read_lumos(source: Path) -> Contents:
    """A folder with the table and the images: zip files or folders of DICOM, or the .npy arrays of the Kaggle copy.

    The set has no ROIs. A patient whose two views name one file is left out.

    Raises:
        ReadError: no table, several, or one without the expected columns.
    """
    if not source.is_dir():
        raise ReadError(f"{source}: no such folder; expected the folder of LUMOS")
    left_out: list[LeftOut] = []
    path = _table(source)
    lines = read_lines(path, left_out)
    columns = set(lines[0].cells) if lines else set()
    is_kaggle = "image_path_ap" in columns
    needed = KAGGLE if is_kaggle else OWNERS
    if needed - columns:
        missing = ", ".join(sorted(needed - columns))
        raise ReadError(f"{visible(path.name)}: columns {missing} are missing; expected the table of LUMOS")
    lines_of = _lines_of(path, lines, left_out)
    images = _arrays(source, lines_of, left_out) if is_kaggle else _radiographs(source, left_out)
    studies = {image.study for image in images}
    rows: dict[str, CohortRow] = {}
    for patient, line in lines_of.items():
        if _study(patient) in studies:
            rows[_study(patient)] = cohort_row_of(line, _study(patient), path, left_out)
        elif not is_kaggle:
            left_out.append(LeftOut(path, "line of a patient without radiographs", str(patient)))
    known = {_study(patient) for patient in lines_of}
    left_out += [
        LeftOut(path, "no usable line in the table; imported without covariates and DXA", study)
        for study in sorted(studies - known)
    ]
    return Contents(images=images, rows=rows, left_out=left_out, notes=(LICENCE,))


def _study(patient: int) -> str:
    return f"lumos_{patient}"


def _table(source: Path) -> Path:
    """The one table of the folder; of several the one that its owners name."""
    visible_files = [path for path in sorted(source.rglob("*")) if not path.name.startswith((".", "~"))]
    tables = [path for path in visible_files if path.suffix.lower() in _TABLES and path.is_file()]
    published = [path for path in tables if path.stem.lower() == "lumos_clinical_data"]
    chosen = tables if len(tables) == 1 else [path for path in published if path.suffix.lower() == ".xlsx"] or published
    if len(chosen) != 1:
        raise ReadError(
            f"{source}: found {len(tables)} tables (CSV, xlsx), expected one; keep lumos_clinical_data.xlsx alone"
        )
    return chosen[0]


def _lines_of(path: Path, lines: Sequence[Line], left_out: list[LeftOut]) -> dict[int, Line]:
    """Lines by patient; a patient on two different lines has none."""
    by_patient: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        patient = patient_number(line.cells.get("patient_id", ""))
        if patient is None:
            left_out.append(LeftOut(path, f"{line.where}: patient_id is no number", line.cells.get("patient_id", "")))
        else:
            by_patient[patient].append(line)
    for patient, lines_of_patient in by_patient.items():
        if any(line.cells != lines_of_patient[0].cells for line in lines_of_patient):
            where = ", ".join(line.where.rpartition(" ")[2] for line in lines_of_patient)
            left_out.append(LeftOut(path, f"lines {where} differ for one patient; none is used", str(patient)))
    return {
        patient: lines_of_patient[0]
        for patient, lines_of_patient in by_patient.items()
        if all(line.cells == lines_of_patient[0].cells for line in lines_of_patient)
    }


def _radiographs(source: Path, left_out: list[LeftOut]) -> list[DrawnImage]:
    """Images of the owners' zip files and folders; patient and view come from the members' names."""
    images: list[DrawnImage] = []
    for path in sorted(file for file in source.rglob("*") if file.is_file()):
        if any(part.startswith((".", "~", "__MACOSX")) for part in path.relative_to(source).parts):
            continue
        if path.suffix.lower() in _TABLES:
            continue
        if is_zip(path):
            images += _packed_radiographs(path, left_out)
        elif _NAME.fullmatch(path.name) or path.suffix.lower() in (".dcm", ".dicom", ".ima"):
            image = _image(path, path.name, left_out)
            images += [image] if image is not None else []
    return images


def _packed_radiographs(path: Path, left_out: list[LeftOut]) -> list[DrawnImage]:
    try:
        members = members_of(path)
    except ReadError as error:
        left_out.append(LeftOut(path, str(error)))
        return []
    images = []
    for member in sorted(members, key=lambda info: info.filename):
        name = PureWindowsPath(PurePosixPath(member.filename).name).name
        if name.startswith(".") or member.filename.startswith("__MACOSX"):
            continue
        image = _image(path / member.filename.lstrip("/\\"), name, left_out)
        if image is not None:
            images.append(_stored_by(image, partial(_store_packed, path, member)))
    return images


def _image(path: Path, name: str, left_out: list[LeftOut]) -> DrawnImage | None:
    match = _NAME.fullmatch(name)
    view = VIEW_OF_NUMBER.get(match[2].lstrip("0")) if match else None
    if match is None or view is None:
        left_out.append(LeftOut(path, "name is not lumos_x_<patient>_1.Dcm (AP) or _2.Dcm (lateral)"))
        return None
    image = DrawnImage(path=path, study=_study(int(match[1])), view=view)
    return _stored_by(image, partial(_store_dicom, path))


def _stored_by(image: DrawnImage, store: Callable[[Path], None]) -> DrawnImage:
    return DrawnImage(path=image.path, study=image.study, view=image.view, suffix=".dcm", store=store, regroup=True)


def _store_dicom(path: Path, target: Path) -> None:
    read_header(path)
    copy_file(path, target)


def _store_packed(archive: Path, member: ZipInfo, target: Path) -> None:
    store_member(archive, member, target)
    try:
        read_header(target)
    except ReadError as error:
        raise ReadError(f"{visible(archive.name)}/{visible(member.filename)}: {error}") from error


def gather(study_of: Mapping[Path, str]) -> None:
    """Write one StudyInstanceUID and one PatientID into the DICOM images of each study whose headers disagree.

    Args:
        study_of: study of each stored radiograph, by its path.
    """
    identities = {}
    for path in study_of:
        header = read_header(path)
        identities[path] = (header.study_uid, header.patient_id)
    uids: dict[str | None, set[str]] = defaultdict(set)
    of_study: dict[str, set[tuple[str | None, str | None]]] = defaultdict(set)
    for path, study in study_of.items():
        uids[identities[path][0]].add(study)
        of_study[study].add(identities[path])
    for path, study in study_of.items():
        uid = identities[path][0]
        if uid is not None and len(uids[uid]) == 1 and len(of_study[study]) == 1:
            continue
        dataset = dcmread(path, force=True)
        dataset.StudyInstanceUID = generate_uid(entropy_srcs=["osteolens import lumos", study])
        dataset.PatientID = study
        dataset.save_as(path)


def _arrays(source: Path, lines_of: Mapping[int, Line], left_out: list[LeftOut]) -> list[DrawnImage]:
    """Radiographs of the Kaggle copy, which the table names."""
    images: list[DrawnImage] = []
    for patient, line in lines_of.items():
        names = {View.AP: line.cells["image_path_ap"], View.LATERAL: line.cells["image_path_lat"]}
        if names[View.AP] == names[View.LATERAL]:
            path = source / PureWindowsPath(names[View.AP]).name
            left_out.append(LeftOut(path, f"patient {patient}: both views name this file"))
            continue
        paths = {view: source / PureWindowsPath(name).name for view, name in names.items()}
        missing = [path for path in paths.values() if not is_file(path)]
        if missing:
            left_out.append(LeftOut(missing[0], "the image is missing"))
            continue
        for view, path in paths.items():
            is_array = path.suffix.lower() == ".npy"
            images.append(
                DrawnImage(
                    path=path,
                    study=_study(patient),
                    view=view,
                    suffix=".png" if is_array else None,
                    store=partial(array_as_png, path) if is_array else None,
                )
            )
    return images


def array_as_png(source: Path, target: Path) -> None:
    """A two-dimensional .npy array as a 16-bit grey PNG, scaled from its least to its greatest value.

    Raises:
        ReadError: no plain array of at most MAX_PIXELS finite values.
    """
    try:
        array = np.load(source, mmap_mode="r", allow_pickle=False)
    except _ARRAY_FAULTS as error:
        raise ReadError(f"{visible(source.name)}: no plain array ({visible(error)})") from error
    plane = array[..., 0] if array.ndim == 3 and array.shape[-1] in (1, 3) else array.squeeze()
    if plane.ndim != 2 or not 0 < plane.size <= MAX_PIXELS or plane.dtype.kind not in "buif":
        raise ReadError(
            f"{visible(source.name)}: shape {array.shape} of {array.dtype}, expected numbers (rows, columns), at most "
            f"{MAX_PIXELS:,}"
        )
    values = np.asarray(plane, np.float64)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise ReadError(f"{visible(source.name)}: holds values that are not finite")
    scaled = (values - low) / max(high - low, 1e-9) * 65535
    Image.fromarray(scaled.round().astype(np.uint16)).save(target)
