"""The page of a screening links its pictures relative to itself and obeys nothing of the data."""

from __future__ import annotations

from pathlib import Path

from pipeline.screening.output.report import used_tables, write_report

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
    assert page.count("<article") == 2 and page.count("<img") == 1 and 'src="overlays/1.2_AP.png"' in page
    assert "&lt;b&gt;P1&lt;/b&gt;" in page and "<li>&lt;i&gt;two&lt;/i&gt;</li>" in page
    assert "Could be osteopenia or osteoporosis" in page and "L1 of grade 2, L2 of grade 1" in page
    assert "no_lumbar_spine: nothing" in page and "no &lt;radiograph&gt;" in page
    assert page.count("Cobb angle about 12 degrees") == 1 and "BMI unknown" in page
    assert "not a medical device" in page and "weights w1" in page


def test_a_folder_without_studies_or_pictures_gives_a_page(tmp_path: Path) -> None:
    write_report(tmp_path, [], [], RUN)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<article" not in page and "Files left out" not in page


def test_what_needs_a_look_comes_first_and_pages_end_at_two_hundred(tmp_path: Path) -> None:
    plain = {**SCREENED, "suspected_fractures": "", "warnings": "", "decision": "osteoporosis ruled out"}
    rows = [{**plain, "study_uid": f"1.{k}", "patient_id": f"calm-{k}"} for k in range(400)]
    failed = {**plain, "study_uid": "2.1", "patient_id": "broken", "status": "failed", "reason": "no image"}
    write_report(tmp_path, [*rows, {**REJECTED, "patient_id": "refused"}, failed], [], RUN)
    pages = [(tmp_path / name).read_text("utf-8") for name in ("report.html", "report_2.html", "report_3.html")]
    assert [page.count("<article") for page in pages] == [200, 200, 2]
    first = pages[0]
    assert first.index("broken") < first.index("refused") < first.index("calm-0") and "<b>402</b>studies" in pages[2]
    assert 'href="report_3.html"' in first and "Studies 401 to 402 of 402" in pages[2]
    write_report(tmp_path, rows[:10], [], RUN)
    assert [path.name for path in tmp_path.glob("report*.html")] == ["report.html"]


def test_tables_that_were_used_are_not_left_out(tmp_path: Path) -> None:
    skipped = [{"file": name, "reason": "no image file"} for name in ("cohort.csv", "rois.csv", "notes.txt")]
    write_report(tmp_path, [SCREENED], skipped, RUN)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "notes.txt" in page and "cohort.csv" not in page and "<b>1</b>files left out" in page


def test_tables_that_columns_yaml_names_are_used(tmp_path: Path) -> None:
    (tmp_path / "patienten.csv").write_text("Patienten-ID;Alter\n007;61\n", "utf-8")
    assert "patienten.csv" not in used_tables(tmp_path)
    (tmp_path / "columns.yaml").write_text(
        "tables:\n  patienten.csv:\n    holds: cohort\n    columns:\n      Patienten-ID: patient_id\n", "utf-8"
    )
    assert {"patienten.csv", "columns.yaml", "cohort.csv"} <= used_tables(tmp_path)
    (tmp_path / "columns.yaml").write_text("tables: 7\n", "utf-8")
    assert "cohort.csv" in used_tables(tmp_path), "what is wrong with columns.yaml is said elsewhere"
