"""What headers of columns say, in seven languages."""

from __future__ import annotations

import pytest

from cohort.mapping.header_words import HEADER_LANGUAGES, HEADER_WORDS
from cohort.mapping.headers import compact, read_header_words

T = "t_score"


@pytest.mark.parametrize(
    ("header", "role", "unit"),
    [
        ("Patienten-Nr.", "patient_id", None), ("Pat.-ID", "patient_id", None), ("N° patient", "patient_id", None),
        ("Nº historia clínica", "patient_id", None), ("Prontuário", "patient_id", None),
        ("患者编号", "patient_id", None),
        ("患者番号", "patient_id", None), ("PatientID", "patient_id", None), ("Größe (cm)", "height_cm", "cm"),
        ("Größe in m", "height_cm", "m"), ("Taille [cm]", "height_cm", "cm"), ("身高（厘米）", "height_cm", "cm"),
        ("身長", "height_cm", None), ("Weight (lbs)", "weight_kg", "lb"), ("体重(斤)", "weight_kg", "jin"),
        ("Peso (kg)", "weight_kg", "kg"), ("Poids", "weight_kg", None), ("Geb.-Datum", "birth_date", None),
        ("Date de naissance", "birth_date", None), ("生年月日", "birth_date", None), ("年龄(岁)", "age_years", "years"),
        ("Alter bei Menopause", "menopause_age_years", None), ("Patient age", "age_years", None),
        ("BMD date", "dxa_date", None), ("Röntgen-Datum", "study_date", None), ("撮影日", "study_date", None),
        ("性別", "sex", None), ("m/w", "sex", None), ("Sexo", "sex", None), ("StudyInstanceUID", "study_uid", None),
    ],
)  # fmt: skip
def test_headers_name_columns_and_units(header: str, role: str, unit: str | None) -> None:
    reading = read_header_words(header)
    assert (reading.roles, reading.unit, reading.unknown) == ((role,), unit, ())


@pytest.mark.parametrize(
    ("header", "regions"),
    [
        ("T-Wert LWS (L1-L4)", {"L1-L4", "lumbar"}), ("TScore_L1L4", {"L1-L4"}), ("T-Score L1–L4", {"L1-L4"}),
        ("腰椎T值", {"lumbar"}), ("腰椎 Tスコア", {"lumbar"}), ("Score T rachis lombaire", {"lumbar"}),
        ("T-Wert LWK 1-4", {"L1-L4"}), ("T-Wert LWK2-LWK4", {"other"}),
        ("L1 T-Score", {"L1"}), ("LWK3 T-Wert", {"L3"}), ("L2-L4 T-score", {"other"}),
        ("T-Wert Schenkelhals", {"other"}),
        ("T score total hip", {"other"}), ("股骨颈T值", {"other"}), ("大腿骨頸部Tスコア", {"other"}),
        ("T-score cuello femoral", {"other"}), ("Escore T colo do fêmur", {"other"}),
        ("Score T col fémoral", {"other"}),
        ("Lowest T-score", {"other"}), ("T-score left", {"other"}), ("T-score", set()), ("T-score L5", {"other"}),
    ],
)  # fmt: skip
def test_a_t_score_names_its_part_of_the_body(header: str, regions: set[str]) -> None:
    reading = read_header_words(header)
    assert (reading.roles, set(reading.regions), reading.unknown) == ((T,), regions, ())


@pytest.mark.parametrize("header", ["Z-Score L1-L4", "Z-Wert", "Z值", "BMD Z-score"])
def test_z_scores_are_no_t_scores(header: str) -> None:
    assert read_header_words(header).roles == ("z_score",)


@pytest.mark.parametrize(
    "header", ["true_bmd", "Birth weight", "Weight of the child", "Age group", "estimated T-score L1-L4"]
)
def test_words_of_no_list_are_kept(header: str) -> None:
    assert read_header_words(header).unknown


def test_t_score_is_a_column_by_its_exact_name_alone() -> None:
    assert read_header_words("t_score").exact and not read_header_words("T-Score").exact
    assert read_header_words("T-Score", spelt_freely=True).exact


def test_no_phrase_names_two_columns() -> None:
    named: dict[str, str] = {}
    for column, texts in HEADER_WORDS.items():
        assert len(texts) in (1, len(HEADER_LANGUAGES)), column
        for phrase in {compact(p) for text in texts for p in text.split(",")} - {""}:
            assert named.setdefault(phrase, column) == column, phrase
