"""A data set stuffed with identifiers comes out without one of them."""

from __future__ import annotations

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from cohort.deidentify.dataset import MAX_DEPTH, Cleaning, clean
from cohort.deidentify.pseudonyms import Pseudonyms
from cohort.in_silico import IN_SILICO_NOTICE
from osteolens.errors import ReadError
from tests.cohort.deidentify.stuffed import SECRET, SECRET_DAY, SECRET_NUMBER, SECRET_UID, TABLE_TAGS, film, stuffed

NAMES = Pseudonyms(b"k" * 32)


def cleaned(dataset: Dataset, keeps_dates: bool = True) -> tuple[Dataset, Cleaning]:
    cleaning = Cleaning(pseudonyms=NAMES, patient_id="MRN4711", keeps_dates=keeps_dates)
    clean(dataset, cleaning)
    return dataset, cleaning


@pytest.mark.parametrize("keeps_dates", [True, False])
def test_nothing_of_a_stuffed_file_is_left(keeps_dates: bool) -> None:
    dataset, cleaning = cleaned(stuffed(), keeps_dates)
    del dataset.file_meta
    text = str(dataset)
    for secret in (SECRET, SECRET.lower(), SECRET_DAY, SECRET_UID, str(SECRET_NUMBER), "John", "Jane", "1122"):
        assert secret not in text, secret
    assert not any(tag.is_private for tag in dataset)
    assert "Manufacturer" in cleaning.found
    assert dataset.BodyPartExamined in (None, "")


def test_kept_sequences_are_cleaned_item_by_item() -> None:
    dataset, _ = cleaned(stuffed())
    inner = dataset.AnatomicRegionSequence[0]
    deeper = inner.AnatomicRegionModifierSequence[0]
    for item in (inner, deeper):
        assert item.PatientID == NAMES.patient("MRN4711")
        assert item.get("StudyDescription") is None
        assert "InstitutionName" not in item


def test_every_attribute_of_the_table_is_gone_empty_or_changed() -> None:
    before, after = stuffed(), stuffed()
    clean(after, Cleaning(pseudonyms=NAMES, patient_id="MRN4711"))
    kept = {"PatientSex", "PatientAge", "PatientSize", "PatientWeight"}
    for tag in TABLE_TAGS:
        if tag in after and tag in before and after[tag].keyword not in kept and after[tag].value:
            assert after[tag].value != before[tag].value, after[tag]


def test_patient_characteristics_and_spacing_stay() -> None:
    dataset, _ = cleaned(stuffed())
    assert (dataset.PatientSex, dataset.PatientAge, dataset.PatientSize, dataset.PatientWeight) == (
        "F",
        "070Y",
        1.6,
        61,
    )
    assert list(dataset.PixelSpacing) == [0.143, 0.143]


@pytest.mark.parametrize(("age", "written"), [("096Y", "090Y"), ("090Y", "090Y"), ("031Y", "031Y")])
def test_great_ages_are_not_told(age: str, written: str) -> None:
    dataset = film()
    dataset.PatientAge = age
    assert cleaned(dataset)[0].PatientAge == written


def test_age_comes_from_the_day_of_birth_where_it_is_not_given() -> None:
    dataset = film()
    del dataset.PatientAge
    dataset.PatientBirthDate = "19500601"
    dataset, _ = cleaned(dataset)
    assert dataset.PatientAge == "069Y"
    assert not dataset.PatientBirthDate


def test_dates_of_a_patient_move_alike_or_go() -> None:
    dataset = film()
    dataset.AcquisitionDate = "20200315"
    moved, _ = cleaned(dataset)
    from datetime import date

    def day(text: str) -> date:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))

    assert (day(moved.AcquisitionDate) - day(moved.StudyDate)).days == 5
    assert moved.StudyDate < "20200310"
    assert moved.LongitudinalTemporalInformationModified == "MODIFIED"
    gone, _ = cleaned(film(), keeps_dates=False)
    assert not gone.StudyDate
    assert gone.LongitudinalTemporalInformationModified == "REMOVED"


def test_uids_stay_linked_and_those_of_the_standard_stay() -> None:
    dataset = film()
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    dataset.ReferencedImageSequence = Sequence([reference])
    dataset, _ = cleaned(dataset)
    item = dataset.ReferencedImageSequence[0]
    assert item.ReferencedSOPInstanceUID == dataset.SOPInstanceUID == NAMES.uid(f"{SECRET_UID}.3")
    assert item.ReferencedSOPClassUID == "1.2.840.10008.5.1.4.1.1.1.1"


def test_the_file_says_what_was_done() -> None:
    dataset, _ = cleaned(film())
    assert dataset.PatientIdentityRemoved == "YES"
    codes = [item.CodeValue for item in dataset.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113107", "113108"]


def test_meanings_of_private_codes_go() -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "77", "99HOSPITAL", "Mrs Miller's view"
    standard = Dataset()
    standard.CodeValue, standard.CodingSchemeDesignator, standard.CodeMeaning = "399348003", "SCT", "antero-posterior"
    dataset = film()
    dataset.ViewCodeSequence = Sequence([code, standard])
    dataset, _ = cleaned(dataset)
    assert dataset.ViewCodeSequence[0].CodeMeaning == "REMOVED"
    assert dataset.ViewCodeSequence[1].CodeMeaning == "antero-posterior"


def test_text_under_the_name_of_a_code_or_number_goes() -> None:
    dataset = film()
    dataset.add_new("ViewPosition", "CS", "of Jane, 66")
    dataset.add_new("KVP", "DS", "70")
    dataset["KVP"]._value = "Jane 70"
    dataset, _ = cleaned(dataset)
    assert "ViewPosition" not in dataset
    assert "KVP" not in dataset


def test_endless_sequences_are_refused() -> None:
    dataset = item = film()
    for _ in range(MAX_DEPTH + 2):
        inner = Dataset()
        item.AnatomicRegionSequence = Sequence([inner])
        item = inner
    with pytest.raises(ReadError, match="sequences within sequences"):
        cleaned(dataset)


def test_what_is_simulated_stays_told_as_such() -> None:
    dataset = film()
    dataset.ImageComments = f"{IN_SILICO_NOTICE} Made for Jane"
    assert cleaned(dataset)[0].ImageComments == IN_SILICO_NOTICE
    dataset.ImageComments = "Jane"
    assert "ImageComments" not in cleaned(dataset)[0]


def test_it_is_idempotent() -> None:
    once, _ = cleaned(stuffed())
    tags = set(once.keys())
    pixels, spacing = once.PixelData, list(once.PixelSpacing)
    twice, _ = cleaned(once)
    assert set(twice.keys()) == tags
    assert (twice.PixelData, list(twice.PixelSpacing)) == (pixels, spacing)
    assert len(twice.DeidentificationMethodCodeSequence) == 3
