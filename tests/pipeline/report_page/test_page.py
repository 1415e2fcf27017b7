"""A report is one self-contained page on which nothing of the data is obeyed."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from cohort.io.walk import MARKER, files_below
from osteolens.errors import ConfigError
from pipeline.report_page.captions import Caption, Numbered, numbered
from pipeline.report_page.figures import panel, panels, save_figure
from pipeline.report_page.latex import latex_table
from pipeline.report_page.page import Page, render, write_page
from pipeline.report_page.tables import p_value, unbroken
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
        table_captions={"one": Caption(text, f"note of {text}")},
        figure_captions={"one": Caption(text)},
    )


@pytest.fixture
def base_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A package whose template shows a table, a figure and a value."""
    package = tmp_path / "made_up_report"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "comparison.html.jinja").write_text(
        '{% extends "page.html.jinja" %}{% from "table.html.jinja" import show, gallery with context %}'
        '{% block content %}<p>{{ document.text }}</p>{{ show("one") }}{{ gallery(figures.values()) }}'
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
    assert html.count(SAFE) >= 8, "title twice, notice, paragraph, heading, note, column, cell, figure"


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
    assert {path.name for path in (base_alone / "figures").iterdir()} == {"one.svg", "one.pdf", "one.png"}
    assert {path.name for path in (base_alone / "tables").iterdir()} == {"one.csv", "one.tex"}


def test_a_missing_value_is_an_empty_cell(base_alone: Path) -> None:
    assert "<tr><td></td></tr>" in written(base_alone)


def test_a_dollar_in_a_title_is_no_formula(base_alone: Path) -> None:
    assert "plain $x$" in re.sub(r"<!--\s*|\s*-->", "", written(base_alone))


def test_a_value_that_the_template_lacks_is_an_error() -> None:
    with pytest.raises(Exception, match="undefined"):
        render("pipeline.evaluation.report", "errors", "title", "", {})


def test_a_folder_that_cannot_be_written_is_named(base_alone: Path) -> None:
    base_alone.write_text("")
    with pytest.raises(ConfigError, match=r"out: cannot be written \(.+\); choose another --out"):
        written(base_alone)


def test_progress_is_told_after_every_figure(base_alone: Path) -> None:
    content, told = page(), []
    write_page(base_alone, replace(content, package="made_up_report"), lambda done, total: told.append((done, total)))
    assert told == [(1, 1)]


def test_nothing_half_written_is_left(base_alone: Path) -> None:
    written(base_alone)
    assert not [path for path in base_alone.rglob("*") if "partial" in path.name]


def test_an_interval_is_kept_on_one_line_and_stays_escaped() -> None:
    assert unbroken("0.918 (0.891-0.939)") == '0.918 <span class="interval">(0.891-0.939)</span>'
    assert unbroken("<b> (+0.1 to +0.2)") == '&lt;b&gt; <span class="interval">(+0.1 to +0.2)</span>'
    assert unbroken(3) == 3 and unbroken("plain (words)") == "plain (words)"


def test_tables_and_figures_are_numbered_on_the_page(base_alone: Path) -> None:
    html = written(base_alone)
    assert '<span class="label">Table 1.</span> plain</h2>' in html and "<figcaption><b>Figure 1. plain.</b>" in html
    found = numbered("Table", ["first", "quality_control"], {"first": Caption("First", "How to read it.")})
    assert (found["first"].heading, found["first"].note) == ("Table 1. First", "How to read it.")
    assert found["quality_control"].heading == "Table 2. Quality control"


def test_a_word_processor_gets_every_table_without_scripts(base_alone: Path) -> None:
    written(base_alone, HOSTILE)
    html = (base_alone / "tables.html").read_text("utf-8")
    assert HOSTILE not in html and "<script" not in html and html.count(SAFE) >= 5
    assert '<table border="1"' in html and "Table 1. " in html and "<td" in html


def test_figures_have_readable_type_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    def drawn(folder: str) -> dict[str, bytes]:
        figure, axes = panel("title", "x", "y")
        axes.fill_between([0, 1], [0, 1], label="of it")
        axes.legend(fontsize=8)
        (tmp_path / folder).mkdir()
        save_figure(figure, tmp_path / folder / "one")
        sizes = [float(text.get_fontsize()) for text in figure.findobj(Text) if text.get_text()]
        assert min(sizes) >= 8 and figure.get_figwidth() <= 3.5
        return {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}

    assert drawn("a") == drawn("b")


def test_a_figure_is_laid_out_once_and_drawn_once_for_each_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure, _ = panel("title", "x", "y")
    formats = []
    draw = type(figure).draw

    def counted(self: Figure, renderer: object) -> None:
        formats.append(type(renderer).__name__)
        draw(self, renderer)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "draw", counted)
    save_figure(figure, tmp_path / "one")
    assert len(formats) == 4, "one layout and three formats"


def test_latex_escapes_every_special_character() -> None:
    text = "50 % & Co_2 #1 {a} $x$ ~ ^ \\ < > | [1] m²"
    written_out = latex_table(
        pd.DataFrame({"a_b": [text, None], "n": [1, 2]}), Numbered("Table 1", "Of 5 %", "A & B."), "of_one"
    )
    body = written_out.partition("\n")[2]
    assert r"50 \% \& Co\_2 \#1 \{a\} \$x\$ \textasciitilde{} \textasciicircum{} \textbackslash{}" in body
    assert r"\textless{} \textgreater{} \textbar{} {[}1{]} m\textsuperscript{2}" in body
    assert r"\caption{Of 5 \%. A \& B.}\label{tab:of-one}" in body and r"\toprule" in body
    assert r"\begin{tabular}{lr}" in body and " & 2 \\\\" in body


def test_long_and_wide_tables_fit_a_page_of_latex() -> None:
    caption = Numbered("Table 1", "Long", "")
    long = latex_table(pd.DataFrame({"n": range(60)}), caption, "long")
    assert r"\begin{longtable}" in long and r"\endhead" in long and r"\begin{landscape}" not in long
    sentence = "a sentence of many words that goes on and on " * 3
    text = latex_table(pd.DataFrame({"n": ["1"], "what": [sentence]}), caption, "text")
    parts = [float(width) for width in re.findall(r"\\dimexpr ([0-9.]+)\\linewidth", text)]
    assert len(parts) == 2 and sum(parts) == pytest.approx(1, abs=1e-3) and r"\begin{landscape}" not in text
    wide = latex_table(pd.DataFrame({f"column {k}": ["0.918 (0.891-0.939)"] for k in range(12)}), caption, "wide")
    assert r"\begin{landscape}" in wide
    uid = "1.2.826.0.1.3680043.8.498.10421313865653968475802814937739221965"
    assert r"1.2.826.0.1.\allowbreak{}3680043" in latex_table(pd.DataFrame({"study": [uid]}), caption, "uid")


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


def test_a_second_report_leaves_no_table_or_figure_of_the_first_and_no_file_of_others_is_touched(
    base_alone: Path,
) -> None:
    first, out = page(), base_alone
    more = replace(
        first,
        tables={**first.tables, "two": first.tables["one"]},
        figures={**first.figures, "roc_名古屋": panel("t", "x", "y")[0]},
    )
    write_page(out, more)
    (out / "figures" / "mine.png").write_bytes(b"mine")
    (out / "elsewhere.csv").write_bytes(b"mine")
    with (out / MARKER).open("a") as listed:
        listed.write("elsewhere.csv\ntables/../elsewhere.csv\n")
    write_page(out, page())
    left = {path.name for folder in ("tables", "figures") for path in (out / folder).iterdir()}
    assert left == {"one.csv", "one.tex", "one.svg", "one.pdf", "one.png", "mine.png"}
    assert (out / "elsewhere.csv").is_file()


def test_figures_of_a_report_are_no_radiographs_of_the_folder_around_it(base_alone: Path) -> None:
    write_page(base_alone / "report", page())
    files, skipped = files_below(base_alone)
    assert not [path for path in files if path.suffix in (".png", ".svg", ".pdf", ".csv")]
    assert {item.path.name for item in skipped} == {"report"}
