"""A table as LaTeX, ready to be included in a paper."""

from __future__ import annotations

import math
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

MOST_LINES, MOST_LINES_TURNED = 40, 22
"""Lines of a table that fits on a page, upright and turned; a longer one breaks across pages."""

LONGEST_WORD, PIECE = 24, 12
"""Characters of a word that is kept on one line, and of the pieces of a longer one."""

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

    A table of more lines than fit on a page is a longtable with its head on each page; columns of text are broken where
    a row would not fit, and what is still too wide stands on a turned page.

    Args:
        table: with text, numbers or missing values.
        caption: its title and note.
        label: for \\ref, without the prefix.
    """
    cells = table.astype(object).where(table.notna(), "").map(str)
    widths, turned = _layout(cells)
    columns = _columns(cells, widths)
    head = " & ".join(rf"\textbf{{{_breakable(name)}}}" for name in cells.columns) + r" \\"
    body = "\n".join(" & ".join(map(_breakable, row)) + r" \\" for row in cells.to_numpy().tolist())
    words = escaped(caption.title) + "." + (f" {escaped(caption.note)}" if caption.note else "")
    title = rf"\caption{{{words}}}\label{{tab:{re.sub(r'[^A-Za-z0-9]+', '-', label)}}}"
    small = "\\footnotesize\\setlength{\\tabcolsep}{3pt}"
    if _lines(cells, widths) > (MOST_LINES_TURNED if turned else MOST_LINES):
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


def _breakable(text: object) -> str:
    """Escaped text that may be broken within a long word, such as a UID."""
    return " ".join(
        r"\allowbreak{}".join(escaped(word[k : k + PIECE]) for k in range(0, len(word), PIECE))
        if len(word) > LONGEST_WORD
        else escaped(word)
        for word in visible(text).split(" ")
    )


def _layout(cells: pd.DataFrame) -> tuple[list[float] | None, bool]:
    """Parts of the line that each column takes, None where a row fits on one; and whether the page must be turned."""
    columns = [[str(name), *map(str, cells.iloc[:, k])] for k, name in enumerate(cells.columns)]
    wide = [max(map(len, column)) for column in columns]
    needs = [max(NARROWEST, *map(_longest_word, column)) for column in columns]
    gaps = 2 * len(columns)
    if sum(wide) + gaps <= PORTRAIT:
        return None, False
    turned = sum(map(min, wide, needs)) + gaps > PORTRAIT
    room = (LANDSCAPE if turned else PORTRAIT) - gaps
    widths = _shared(wide, needs, room)
    return [width / sum(widths) for width in widths], turned


def _columns(cells: pd.DataFrame, widths: Sequence[float] | None) -> str:
    """How LaTeX shall set each column."""
    if widths is None:
        return "".join("r" if _numeric(list(map(str, cells.iloc[:, k]))) else "l" for k in range(cells.shape[1]))
    frame = r">{{\raggedright\arraybackslash}}p{{\dimexpr {:.4f}\linewidth-2\tabcolsep\relax}}"
    return "".join(frame.format(width) for width in widths)


def _lines(cells: pd.DataFrame, widths: Sequence[float] | None) -> int:
    """Lines of type that the rows take, about."""
    if widths is None:
        return len(cells)
    room = [max(1.0, width * PORTRAIT) for width in widths]
    rows = cells.to_numpy().tolist()
    return sum(max(math.ceil(len(cell) / wide) for cell, wide in zip(row, room, strict=True)) for row in rows)


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
    return max((min(LONGEST_WORD, len(word)) for word in text.split()), default=0)


def _numeric(column: Sequence[str]) -> bool:
    return bool(column) and all(not cell or NUMBER.fullmatch(cell) for cell in column)
