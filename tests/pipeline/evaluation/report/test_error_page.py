"""The page of errors shows the worst studies with small pictures of their results, and obeys nothing of theirs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cohort.bmd import BMD_CLASSES, BmdClass
from pipeline.evaluation.classification.errors import ClassificationError
from pipeline.evaluation.report import error_page
from pipeline.evaluation.report.error_page import write_errors

ERROR = ClassificationError(
    study_uid="s1",
    patient_id="<b>p1</b>",
    site="test1",
    true_class=BmdClass.NORMAL,
    t_score=-0.4,
    predicted_class=BmdClass.OSTEOPOROSIS,
    t_score_estimate=-2.9,
    probabilities=dict(zip(BMD_CLASSES, (0.1, 0.2, 0.7), strict=True)),
    border_distance=0.6,
    missed_by=2.1,
    steps=2,
    in_prediction_set=False,
    decision=None,
    suspected_fractures=(),
    cobb_deg=None,
    left_out={},
    labelling_margin=None,
    warnings=("a warning",),
    reasons_to_doubt=("DXA <script> is doubtful",),
)


def picture(folder: Path, name: str, shape: tuple[int, int] = (900, 600)) -> None:
    folder.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)).save(folder / name)


def page(tmp_path: Path, errors: list[ClassificationError]) -> str:
    write_errors(tmp_path, errors, "Made up.", tmp_path / "overlays")
    return (tmp_path / "errors.html").read_text("utf-8")


def test_a_study_is_shown_with_its_pictures(tmp_path: Path) -> None:
    picture(tmp_path / "overlays", "s1_AP.png")
    html = page(tmp_path, [ERROR])
    assert html.count("data:image/jpeg;base64,") == 1 and "AP view" in html
    for words in ("T-score -0.40", "T-score about -2.90", "0.70", "does not hold", "a warning", "Made up."):
        assert words in html
    assert "<script>" not in html and "&lt;b&gt;p1" in html


def test_without_pictures_the_study_is_told(tmp_path: Path) -> None:
    assert "No picture lies in the results folder" in page(tmp_path, [ERROR])


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n broken"])
def test_a_file_that_is_no_picture_is_passed_over(content: bytes, tmp_path: Path) -> None:
    picture(tmp_path / "overlays", "s1_LATERAL.png")
    (tmp_path / "overlays" / "s1_AP.png").write_bytes(content)
    assert page(tmp_path, [ERROR]).count("data:image") == 1


def test_pictures_that_are_too_large_or_links_are_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "overlays", "s1_AP.png")
    (tmp_path / "overlays" / "s1_LATERAL.png").symlink_to(tmp_path / "overlays" / "s1_AP.png")
    assert page(tmp_path, [ERROR]).count("data:image") == 1
    monkeypatch.setattr(error_page, "MOST_PIXELS", 1000)
    assert "data:image" not in page(tmp_path, [ERROR])


def test_the_page_stays_small_whatever_the_number_of_errors(tmp_path: Path) -> None:
    for name in ("s1_AP.png", "s1_LATERAL.png"):
        picture(tmp_path / "overlays", name)  # noise, which no format makes small
    html = page(tmp_path, [replace(ERROR, patient_id=f"p{k}") for k in range(1000)])
    assert "1000 studies have another" in html and "The 80 worst are shown" in html and "p79" in html
    assert "p80<" not in html and len(html) < 25_000_000
