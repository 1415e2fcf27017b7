"""A result as a notebook shows it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

from cohort.bmd import BmdClass
from cohort.spine import View
from osteolens.documents.text import visible


def result_html(
    title: str,
    probabilities: Mapping[BmdClass, float],
    lines: Sequence[str],
    overlays: Mapping[View, bytes],
) -> str:
    """A class with its probabilities, what a reader should know, and the pictures; every text is escaped.

    Args:
        title: class, rejection or failure.
        probabilities: by class; empty without a class.
        lines: warnings and the like.
        overlays: PNG by view.
    """
    rows = "".join(
        f"<tr><td>{escape(c.value)}</td><td>{probability:.2f}</td></tr>" for c, probability in probabilities.items()
    )
    notes = "".join(f"<li>{escape(visible(line))}</li>" for line in lines)
    pictures = "".join(
        f'<img alt="{escape(view.value)} view with level-labelled boxes" style="max-height:480px;margin-right:8px" '
        f'src="data:image/png;base64,{b64encode(png).decode("ascii")}">'
        for view, png in overlays.items()
    )
    return (
        f"<div><p><b>{escape(visible(title))}</b></p>"
        + (f"<table>{rows}</table>" if rows else "")
        + (f"<ul>{notes}</ul>" if notes else "")
        + pictures
        + "<p>Research use; not a medical device.</p></div>"
    )
