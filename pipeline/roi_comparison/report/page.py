"""The comparison of manual and automatic ROIs as one page with tables and figures."""

from __future__ import annotations

from pathlib import Path

from pipeline.report_page.page import Page, write_page
from pipeline.roi_comparison.comparison import Comparison
from pipeline.roi_comparison.report.captions import table_captions
from pipeline.roi_comparison.report.figures import CAPTIONS, comparison_figures


def write_comparison(out: Path, comparison: Comparison, notice: str) -> None:
    """Write report.html, comparison.json, tables and figures into a folder.

    Args:
        out: folder, made where it is missing.
        comparison: from `compare_rois`.
        notice: what kind of data this is, printed at the top.

    Raises:
        ConfigError: the folder cannot be written.
    """
    write_page(
        out,
        Page(
            package="pipeline.roi_comparison.report",
            name="comparison",
            title="Manual against automatic ROIs",
            notice=notice,
            document=comparison.as_json(),
            tables=comparison.tables,
            figures=comparison_figures(comparison),
            table_captions=table_captions(comparison),
            figure_captions=CAPTIONS,
            context={"comparison": comparison},
        ),
    )
