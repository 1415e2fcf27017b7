"""The flow diagram holds every box, line and reason, and nothing runs out of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from cohort.check import Step
from osteolens.errors import ConfigError
from pipeline.evaluation.report.patient_flow import FlowBox, draw_flow, flow_figure

LONG = "an implant hides a level of the lumbar spine in both views of the study and the levels next to it are missing"


def words(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text() for text in axes.texts).strip() for axes in figure.axes)


def test_every_reason_is_told_and_stays_in_its_box() -> None:
    boxes = [FlowBox("12 studies found", ("3 rejected:", f"   2 {LONG}", "   1 of $x$")), FlowBox("9 evaluated")]
    figure = flow_figure(boxes, ["normal: 4\nright: 3", "osteoporosis: 5"])
    said = words(figure)
    for part in ("12 studies found", "3 rejected:", "hides a level", r"1 of \$x\$", "9 evaluated", "right: 3"):
        assert part in said
    figure.draw_without_rendering()
    (axes,) = figure.axes
    frames = [p.get_window_extent() for p in axes.patches if isinstance(p, FancyBboxPatch)]
    texts = [t.get_window_extent() for t in axes.texts if t.get_text()]
    assert len(frames) == 5 and texts
    for text in texts:
        assert any(f.x0 <= text.x0 and text.x1 <= f.x1 and f.y0 <= text.y0 and text.y1 <= f.y1 for f in frames)
    assert not any(a.overlaps(b) for k, a in enumerate(frames) for b in frames[:k])
    assert all(float(text.get_fontsize()) >= 8 for text in axes.texts if text.get_text())


def test_many_groups_stand_in_one_box() -> None:
    figure = flow_figure([FlowBox("9 eligible")], [f"site{k}: 1\n1 normal" for k in range(9)])
    assert "site8: 1, 1 normal" in words(figure)
    assert sum(isinstance(patch, FancyBboxPatch) for patch in figure.axes[0].patches) == 2


def test_the_flow_of_a_cohort_is_drawn_into_a_file(tmp_path: Path) -> None:
    flow = [Step("found", 0, 10), Step("age below 50 years", 4, 6)]
    draw_flow(flow, {"training": {"normal": 6}}, tmp_path / "flow.PNG")
    assert (tmp_path / "flow.PNG").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match=r"ends in \.svg or \.png"):
        draw_flow(flow, {}, tmp_path / "flow.doc")
