"""A report is one self-contained page on which nothing of the data is obeyed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest

from osteolens.errors import ConfigError
from pipeline.report_page.figures import panel, panels
from pipeline.report_page.page import Page, render, write_page
from pipeline.report_page.tables import p_value
from tests import ROOT

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"
SAFE = r"&lt;script&gt;alert(1)&lt;/script&gt;\x1b[31m\u202e"


def page(text: str = "plain", number: float = 0.5) -> Page:
    figure, axes = panel(f"of {text} $x$", "x", "y")
    axes.plot([0, 1], [0, 1])
    return Page(
        package="made_up_report",
        name="comparison",
        title=text,
        notice=text,
        document={"number": number, "text": text},
        tables={"one": pd.DataFrame({text: [text, None]})},
        figures={"one": figure},
    )


@pytest.fixture
def base_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A package whose template shows a table, a figure and a value."""
    package = tmp_path / "made_up_report"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "comparison.html.jinja").write_text(
        '{% extends "page.html.jinja" %}{% from "table.html.jinja" import show, gallery with context %}'
        '{% block content %}<p>{{ document.text }}</p>{{ show("one", document.text) }}{{ gallery(figures.values()) }}'
        "{% endblock %}"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "made_up_report", raising=False)
    return tmp_path / "out"


def written(out: Path, text: str = "plain", number: float = 0.5) -> str:
    content = page(text, number)
    write_page(
        out, Page(**{name: getattr(content, name) for name in content.__slots__} | {"package": "made_up_report"})
    )
    return (out / "report.html").read_text("utf-8")


def test_text_of_others_is_escaped_and_visible(base_alone: Path) -> None:
    html = written(base_alone, HOSTILE)
    assert HOSTILE not in html and "<script>" not in html and "\x1b" not in html and "\u202e" not in html
    assert html.count(SAFE) >= 5, "title twice, notice, paragraph, heading, column, cell"


def test_a_page_needs_no_other_file(base_alone: Path) -> None:
    html = written(base_alone)
    assert not re.search(r"<(script|link|img|iframe)\b", html) and "@import" not in html
    assert "<style>" in html and html.count("<svg") == 1
    assert "plain Research use; not a medical device." in html


def test_tables_figures_and_json_lie_beside_it(base_alone: Path) -> None:
    written(base_alone, "=1+1", float("nan"))
    document = json.loads((base_alone / "comparison.json").read_text())
    assert document == {"notice": "=1+1", "number": None, "text": "=1+1"}
    assert list(pd.read_csv(base_alone / "tables" / "one.csv")) == ["'=1+1"]
    assert {path.name for path in (base_alone / "figures").iterdir()} == {"one.svg", "one.png"}


def test_a_missing_value_is_an_empty_cell(base_alone: Path) -> None:
    assert "<tr><td></td></tr>" in written(base_alone)


def test_a_dollar_in_a_title_is_no_formula(base_alone: Path) -> None:
    assert "plain $x$" in re.sub(r"<!--\s*|\s*-->", "", written(base_alone))


def test_a_value_that_the_template_lacks_is_an_error() -> None:
    with pytest.raises(Exception, match="undefined"):
        render("pipeline.roi_comparison", "comparison", "title", "", {})


def test_a_folder_that_cannot_be_written_is_named(base_alone: Path) -> None:
    base_alone.write_text("")
    with pytest.raises(ConfigError, match=r"out: cannot be written \(.+\); choose another --out"):
        written(base_alone)


def test_nothing_half_written_is_left(base_alone: Path) -> None:
    written(base_alone)
    assert not [path for path in base_alone.rglob("*") if "partial" in path.name]


def test_figures_change_no_global_setting() -> None:
    mpl.get_backend()  # is chosen when somebody first asks, and stands among the settings
    before = mpl.rcParams.copy()
    figure, axes = panels(3, 10, 3)
    assert len(axes) == 3 == len(figure.axes) and mpl.rcParams == before


def test_nothing_of_the_pipeline_draws_with_pyplot() -> None:
    files = (ROOT / "pipeline").rglob("*.py")
    assert not [
        path
        for path in files
        if re.search(r"import pyplot|matplotlib\.pyplot|rcParams|mpl\.use", path.read_text("utf-8"))
    ]


@pytest.mark.parametrize(
    ("p", "text"), [(None, ""), (float("nan"), "-"), (0.0004, "< 0.001"), (0.0126, "0.013"), (1.0, "1.000")]
)
def test_p_values_are_told(p: float | None, text: str) -> None:
    assert p_value(p) == text
