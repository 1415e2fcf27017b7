"""A table as LaTeX, ready to be included in a paper."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from osteolens.documents.text import visible
from pipeline.report_page.captions import Numbered

SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": "'",
    "[": "{[}",
    "]": "{]}",
    "²": r"\textsuperscript{2}",
    "³": r"\textsuperscript{3}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "\u2212": r"$-$",
    "→": r"$\rightarrow$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "κ": r"$\kappa$",
    "χ": r"$\chi$",
    "\u2013": "--",
    "\u2014": "---",
    "\u00a0": "~",
    "°": r"$^\circ$",
}
"""What LaTeX would obey, and signs that its plain text fonts lack."""

PREAMBLE = r"\usepackage[T1]{fontenc}\usepackage{array,booktabs,longtable,pdflscape}"
"""What a paper needs to include these tables."""

MOST_ROWS = 38
"""Rows of a table that fits on a page; longer ones break across pages."""

PORTRAIT, LANDSCAPE = 92, 150
"""Characters of a row in \\footnotesize across the text of an A4 page, upright and turned."""

NARROWEST = 8
"""Characters of a column of text that may be broken."""

NUMBER = re.compile(r"[<>+-]?\s?\d[\d.,]*\s?%?")


def escaped(text: object) -> str:
    """Text that LaTeX prints as it stands, control characters written out."""
    return "".join(SPECIAL.get(character, character) for character in visible(text))


def latex_table(table: pd.DataFrame, caption: Numbered, label: str) -> str:
    """A table with rules of booktabs and its caption; LaTeX numbers it.

    A table of more than MOST_ROWS rows is a longtable with its head on each page; columns of text are broken where a
    row would not fit, and what is still too wide stands on a turned page.

    Args:
        table: with text, numbers or missing values.
        caption: its title and note.
        label: for \\ref, without the prefix.
    """
    cells = table.astype(object).where(table.notna(), "").map(str)
    columns, turned = _columns(cells)
    head = " & ".join(rf"\textbf{{{escaped(name)}}}" for name in cells.columns) + r" \\"
    body = "\n".join(" & ".join(map(escaped, row)) + r" \\" for row in cells.to_numpy().tolist())
    words = escaped(caption.title) + "." + (f" {escaped(caption.note)}" if caption.note else "")
    title = rf"\caption{{{words}}}\label{{tab:{re.sub(r'[^A-Za-z0-9]+', '-', label)}}}"
    small = "\\footnotesize\\setlength{\\tabcolsep}{3pt}"
    if len(cells) > MOST_ROWS:
        text = (
            f"{{{small}\n\\begin{{longtable}}{{{columns}}}\n{title}\\\\\n\\toprule\n{head}\n\\midrule\n\\endfirsthead\n"
            f"\\toprule\n{head}\n\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n{body}\n\\end{{longtable}}}}\n"
        )
    else:
        text = (
            f"\\begin{{table}}[htbp]\n\\centering{small}\n{title}\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head}\n"
            f"\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
        )
    framed = f"\\begin{{landscape}}\n{text}\\end{{landscape}}\n" if turned else text
    return f"% needs {PREAMBLE}\n{framed}"


def _columns(cells: pd.DataFrame) -> tuple[str, bool]:
    """How LaTeX shall set each column, and whether the page must be turned."""
    values = [[str(cell) for cell in cells.iloc[:, k]] for k in range(cells.shape[1])]
    names = [str(name) for name in cells.columns]
    wide = [max(map(len, (name, *column))) for name, column in zip(names, values, strict=True)]
    needs = [max(NARROWEST, *map(_longest_word, (name, *column))) for name, column in zip(names, values, strict=True)]
    gaps = 2 * len(names)
    if sum(wide) + gaps <= PORTRAIT:
        return "".join("r" if _numeric(column) else "l" for column in values), False
    turned = sum(needs) + gaps > PORTRAIT
    room = (LANDSCAPE if turned else PORTRAIT) - gaps
    widths = _shared(wide, needs, room)
    return "".join(rf">{{\raggedright\arraybackslash}}p{{{0.97 * w / room:.3f}\linewidth}}" for w in widths), turned


def _shared(wide: Sequence[int], needs: Sequence[int], room: int) -> list[float]:
    """Widths of columns in characters that fill the room: what each needs, and of the rest by what each could use."""
    least = [min(w, n) for w, n in zip(wide, needs, strict=True)]
    rest = room - sum(least)
    wishes = [w - n for w, n in zip(wide, least, strict=True)]
    if rest <= 0:
        return [room * n / sum(least) for n in least]
    part = min(1.0, rest / sum(wishes)) if sum(wishes) else 0.0
    return [n + part * wish for n, wish in zip(least, wishes, strict=True)]


def _longest_word(text: str) -> int:
    return max(map(len, text.split()), default=0)


def _numeric(column: Sequence[str]) -> bool:
    return bool(column) and all(not cell or NUMBER.fullmatch(cell) for cell in column)
