"""patient.json, to the disk and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cohort.spine import LEVELS, VertebralLevel, View
from osteolens.errors import ReadError
from phantom.patient import SimulatedPatient
from phantom.records import PatientRecord, PatientRow, StudyRow, image_record, read_record, write_record


def test_a_record_is_read_back_as_it_was_written(simulated_cohort: Path, tmp_path: Path) -> None:
    path = sorted(simulated_cohort.glob("*/patient.json"))[0]
    record = read_record(path)
    assert isinstance(record.row, PatientRow) and record.row.patient_id == path.parent.name
    assert set(record.images) == set(View)
    write_record(record, tmp_path)
    assert (tmp_path / "patient.json").read_bytes() == path.read_bytes()
    assert read_record(tmp_path / "patient.json") == record


def test_a_study_of_which_only_the_images_are_known_has_four_columns(tmp_path: Path) -> None:
    row = StudyRow(patient_id="CT-1", study_uid="1.2", site="test1", machine="SIM-C")
    write_record(PatientRecord(row=row, images={}), tmp_path)
    assert read_record(tmp_path / "patient.json").row == row
    assert set(json.loads((tmp_path / "patient.json").read_text())["row"]) == set(StudyRow.model_fields)


def test_truth_of_an_image_is_kept_to_a_tenth_of_a_pixel(patient: SimulatedPatient) -> None:
    image = patient.images[View.AP]
    record = image_record(View.AP, image, 3)
    assert record.shape == image.stored.shape
    for box in image.boxes:
        assert record.boxes[box.level] == pytest.approx(box.corners, abs=0.051)
    assert list(record.outlines) == [level for level in LEVELS if level in image.outlines]
    assert VertebralLevel.S1 not in record.outlines and len(record.readers) == 6


@pytest.mark.parametrize(
    ("text", "message"), [("{", "the file: Invalid JSON"), ('{"row": {}, "images": {}}', "row.*Field required")]
)
def test_a_damaged_record_is_named(text: str, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "SIM0001-00003"
    folder.mkdir()
    (folder / "patient.json").write_text(text)
    with pytest.raises(ReadError, match=rf"SIM0001-00003/patient\.json: {message}.*simulate again"):
        read_record(folder / "patient.json")
