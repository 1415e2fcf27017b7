"""Every word for the two projections, in headers, names of files and folders, and importers."""

from __future__ import annotations

import re
from pathlib import PurePath

from cohort.spine import View

AP_WORDS = (
    "AP", "PA", "FRONTAL", "FRONTALE", "FRONT", "FACE", "FRENTE", "ANTEROPOSTERIOR", "ANTERO POSTERIOR",
    "POSTEROANTERIOR", "POSTERO ANTERIOR", "ANTERIOR POSTERIOR", "POSTERIOR ANTERIOR",
)  # fmt: skip
"""Words of the frontal projection in English, French, German, Spanish, Italian and Portuguese."""

LATERAL_WORDS = (
    "LAT", "LATERAL", "LATERALE", "LATERALIS", "LATERO LATERAL", "LATEROLATERAL", "LL", "RL", "LLAT", "RLAT", "L LAT",
    "R LAT", "LLL", "RLL", "LTLAT", "RTLAT", "SIDE", "PROFILE", "PROFIL", "PERFIL", "PROFILO", "SEITLICH", "SEITE",
)  # fmt: skip
"""Words of the lateral projection."""

AP_SIGNS, LATERAL_SIGNS = ("正位",), ("侧位", "側位")
"""Chinese and Japanese words, which stand between other signs without a space."""

_SPELT = re.compile(r"(?<!\w)(?:A[./-]P|P[./-]A)(?!\w)", re.IGNORECASE)
_PARTS = re.compile(r"[\s_\-.,;:/\\()\[\]+&]+")


def _pattern(words: tuple[str, ...], signs: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<![^\W\d_])(?:{'|'.join(longest_first)})(?![^\W\d_])|{'|'.join(signs)}", re.IGNORECASE)


_AP, _LATERAL = _pattern(AP_WORDS, AP_SIGNS), _pattern(LATERAL_WORDS, LATERAL_SIGNS)


def _spaced(text: str) -> str:
    """Parts of a name with single spaces between them, `A.P.` spelt AP."""
    return _PARTS.sub(" ", _SPELT.sub(" AP ", text))


def view_from_text(text: str) -> View | None:
    """The view that a description or a name spells, or None when it spells none or both."""
    spaced = _spaced(text)
    frontal, lateral = bool(_AP.search(spaced)), bool(_LATERAL.search(spaced))
    if frontal == lateral:
        return None
    return View.AP if frontal else View.LATERAL


def view_from_path(relative: PurePath) -> View | None:
    """The view that the name of a file spells, else that of the nearest folder that spells one."""
    for part in (relative.stem, *reversed(relative.parts[:-1])):
        found = view_from_text(part)
        if found is not None:
            return found
    return None


def without_view_words(text: str) -> str:
    """A name without the words for a view, its parts joined by underscores: `p7_AP` and `p7_SIDE` both give `p7`."""
    spaced = _spaced(text)
    return "_".join(_LATERAL.sub(" ", _AP.sub(" ", spaced)).split())


def study_key(relative: PurePath) -> str:
    """Images whose paths differ in the words for a view alone are one study."""
    folders = [part for folder in relative.parts[:-1] if (part := without_view_words(folder))]
    rest = without_view_words(relative.stem)
    return "/".join([*folders, *([rest] if rest else [])]) or relative.stem
