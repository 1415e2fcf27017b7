"""The page of a screening links its pictures relative to itself and obeys nothing of the data."""

from __future__ import annotations

from pathlib import Path

from pipeline.screening.output.report import write_report

RUN = {
    "osteolens": "1",
    "weights": {"version": "w1"},
    "seconds": {"total": 1.0},
    "counts": {"screened": 1, "rejected": 1, "failed": 0, "skipped_files": 1},
}
SCREENED = {
    "study_uid": "1.2",
    "patient_id": "<b>P1</b>",
    "status": "screened",
    "bmd_class": "osteopenia",
    "p_normal": 0.1,
    "p_osteopenia": 0.7,
    "p_osteoporosis": 0.2,
    "t_score_estimate": -1.6,
    "prediction_set": "osteopenia|osteoporosis",
    "decision": "indeterminate",
    "levels": "AP:L1+L2 LATERAL:L1",
    "suspected_fractures": "L1:grade-2 L2:grade-1",
    "cobb_deg": 12.4,
    "age_years": 66.0,
    "sex": "F",
    "bmi_kg_m2": "",
    "reason": "",
    "warnings": "one | <i>two</i>",
    "images": "",
}
REJECTED = {**SCREENED, "study_uid": "1.3", "status": "rejected", "reason": "no_lumbar_spine: nothing", "cobb_deg": ""}


def test_each_study_is_shown_with_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "overlays").mkdir()
    (tmp_path / "overlays" / "1.2_AP.png").write_bytes(b"")
    write_report(tmp_path, [SCREENED, REJECTED], [{"file": "notes.txt", "reason": "no <radiograph>"}], RUN)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("<article>") == 2 and page.count("<img") == 1 and 'src="overlays/1.2_AP.png"' in page
    assert "&lt;b&gt;P1&lt;/b&gt;" in page and "<li>&lt;i&gt;two&lt;/i&gt;</li>" in page
    assert "could be osteopenia or osteoporosis" in page and "L1 of grade 2, L2 of grade 1" in page
    assert "no_lumbar_spine: nothing" in page and "no &lt;radiograph&gt;" in page
    assert page.count("Cobb angle about 12 degrees") == 1 and "BMI unknown" in page
    assert "not a medical device" in page and "weights w1" in page


def test_a_folder_without_studies_or_pictures_gives_a_page(tmp_path: Path) -> None:
    write_report(tmp_path, [], [], RUN)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<article" not in page and "Files left out" not in page
