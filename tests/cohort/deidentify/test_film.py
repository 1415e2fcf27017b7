"""One file: bytes out without identifiers, pixels as they were, hostile files refused by name."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGLSLossless

from cohort.deidentify.film import Ending, Film, Task, deidentify_film
from cohort.deidentify.pseudonyms import Pseudonyms
from tests.cohort.deidentify.stuffed import SECRET, SECRET_UID, film, save, stuffed

NAMES = Pseudonyms(b"k" * 32)


def run(dataset: pydicom.Dataset, folder: Path, blackens: bool = False) -> Film:
    path = save(dataset, folder / "in" / f"{SECRET}.dcm")
    return deidentify_film(
        Task(
            path=path,
            out=folder / "out",
            pseudonyms=NAMES,
            patient_id="MRN4711",
            keeps_dates=True,
            blackens=blackens,
        )
    )


def output(done: Film, folder: Path) -> Path:
    assert done.output is not None, done.reason
    return folder / "out" / done.output


def with_text(text: str = "SMITH JOHN") -> np.ndarray:
    cells = np.random.default_rng(0).normal(2000, 60, (300, 400))
    ink = np.zeros(cells.shape, np.uint8)
    cv2.putText(ink, text, (20, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 255, 2)
    cells[ink > 0] = 4000
    return cells


def test_the_bytes_of_the_file_hold_no_identifier(tmp_path: Path) -> None:
    done = run(stuffed(), tmp_path)
    raw = output(done, tmp_path).read_bytes()
    for secret in (SECRET, SECRET.lower(), SECRET_UID, "MRN4711", "19510203", "112233"):
        assert secret.encode() not in raw, secret
    assert raw[:128] == b"\0" * 128
    assert SECRET not in str(done.output)


def test_pixels_are_byte_for_byte_the_same(tmp_path: Path) -> None:
    plain, packed = film(), film()
    packed.compress(JPEGLSLossless, generate_instance_uid=False)
    for dataset, name in ((plain, "a"), (packed, "b")):
        before = dataset.PixelData
        after = pydicom.dcmread(output(run(dataset, tmp_path / name), tmp_path / name))
        assert after.PixelData == before
        assert after.file_meta.TransferSyntaxUID == dataset.file_meta.TransferSyntaxUID


def test_text_is_found_and_made_black(tmp_path: Path) -> None:
    listed = run(film(with_text()), tmp_path / "a")
    assert listed.text
    assert not listed.blackened
    assert pydicom.dcmread(output(listed, tmp_path / "a")).PixelData == film(with_text()).PixelData
    packed = film(with_text())
    packed.compress(JPEGLSLossless, generate_instance_uid=False)
    for k, dataset in enumerate((film(with_text()), packed)):
        done = run(dataset, tmp_path / f"b{k}", blackens=True)
        after = pydicom.dcmread(output(done, tmp_path / f"b{k}"))
        cells = after.pixel_array
        assert done.blackened
        assert int(cells.max()) < 3000
        assert np.array_equal(cells[80:], film(with_text()).pixel_array[80:])
        assert "BurnedInAnnotation" not in after, "nobody has looked whether all of it was found"
        assert "113101" not in [item.CodeValue for item in after.DeidentificationMethodCodeSequence]
        assert after.DeidentificationMethod[-1] == "suspected text in the pixels made black, not reviewed"


def test_a_burned_in_annotation_is_told(tmp_path: Path) -> None:
    dataset = film()
    dataset.BurnedInAnnotation = "YES"
    assert run(dataset, tmp_path).burned_in_annotation == "YES"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    done = run(film(), tmp_path)
    assert run(film(), tmp_path).ending is Ending.THERE
    output(done, tmp_path).write_bytes(b"mine")
    again = run(film(), tmp_path)
    assert (again.ending, output(done, tmp_path).read_bytes()) == (Ending.REFUSED, b"mine")
    assert "nothing is overwritten" in again.reason


def test_a_path_in_a_uid_leads_nowhere(tmp_path: Path) -> None:
    dataset = film()
    dataset.StudyInstanceUID, dataset.PatientID = "../../../etc", "/etc/passwd"
    out = output(run(dataset, tmp_path), tmp_path)
    assert out.resolve().is_relative_to(tmp_path / "out")


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("longer", "longer than the image"),
        ("bits", "beyond BitsStored"),
        ("report", "no radiograph"),
        ("frames", "one frame"),
        ("uid", "is missing"),
    ],
)
def test_what_may_hide_something_is_refused(what: str, reason: str, tmp_path: Path) -> None:
    dataset = film()
    if what == "longer":
        dataset.PixelData = dataset.PixelData + SECRET.encode() * 2
    elif what == "bits":
        cells = np.frombuffer(dataset.PixelData, "<u2").copy()
        cells[7] |= 0x8000
        dataset.PixelData = cells.tobytes()
    elif what == "report":
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
    elif what == "frames":
        dataset.NumberOfFrames = 3
    else:
        dataset.SeriesInstanceUID = ""
    done = run(dataset, tmp_path)
    assert done.ending is Ending.REFUSED
    assert reason in done.reason
    assert SECRET not in done.reason
    assert not (tmp_path / "out").exists()


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    path = save(film(), tmp_path / "in" / "a.dcm")
    path.write_bytes(path.read_bytes()[:700])
    task = Task(path=path, out=tmp_path / "out", pseudonyms=NAMES, patient_id="x", keeps_dates=True, blackens=False)
    assert deidentify_film(task).ending is Ending.REFUSED
