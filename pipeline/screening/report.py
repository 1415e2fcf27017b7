"""report.html: every study with its pictures, class and warnings, to look at in a browser."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from cohort.spine import View
from osteolens.atomic import write_whole


def write_report(out: Path, rows: list[dict[str, Any]], skipped: list[dict[str, str]], run: dict[str, Any]) -> None:
    """Write the page; pictures are linked relative to it, so the folder can be moved as a whole."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string((files("pipeline.screening") / "report.html.jinja").read_text("utf-8"))
    shown = [
        {
            **row,
            "pictures": [
                f"overlays/{row['study_uid']}_{view}.png"
                for view in View
                if (out / "overlays" / f"{row['study_uid']}_{view}.png").is_file()
            ],
        }
        for row in rows
    ]
    page = template.render(rows=shown, skipped=skipped, run=run)
    write_whole(out / "report.html", page)
