"""Every word for the two projections, in headers, names of files and folders, and importers."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

from cohort.spine import View

AP_WORDS = (
    "AP", "PA", "A[./-]P", "P[./-]A", "A[.] P", "P[.] A", "FRONTAL", "FRONTALE", "FRONT", "FACE", "FRENTE",
    "ANTEROPOSTERIOR", "ANTERO[ _-]POSTERIOR", "POSTEROANTERIOR", "POSTERO[ _-]ANTERIOR", "ANTERIOR[ _-]POSTERIOR",
    "POSTERIOR[ _-]ANTERIOR", "ANTEROPOSTERIEUR", "ANTEROPOSTERIEURE", "ANTERO[ _-]POSTERIEUR",
    "ANTERO[ _-]POSTERIEURE", "POSTERO[ _-]ANTERIEUR", "POSTERO[ _-]ANTERIEURE", "ANTEROPOSTERIORE",
    "ANTERO[ _-]POSTERIORE", "VENTRODORSAL", "VENTRO[ _-]DORSAL", "VON[ _-]VORN", "VON[ _-]VORNE", "VORDERANSICHT",
    "CORONAL", "KORONAL",
)  # fmt: skip
"""Words of the frontal projection in English, German, French, Spanish, Italian and Portuguese, as patterns."""

LATERAL_WORDS = (
    "LAT", "LATERAL", "LATERALE", "LATERALES", "LATERALIS", "LATERO[ _-]?LATERAL", "LATERO[ _-]?LATERALE", "LL", "RL",
    "LLAT", "RLAT", "LLL", "RLL", "LTLAT", "RTLAT", "SIDE", "PROFILE", "PROFIL", "PERFIL", "PROFILO", "SEITL",
    "SEITLICH", "SEITLICHE", "SEITLICHER", "VON[ _-]DER[ _-]SEITE", "SEITENANSICHT", "SEITENAUFNAHME", "SEITE",
    "DE[ _-]LADO", "DE[ _-]COTE", "SAGITTAL",
)  # fmt: skip
"""Words of the lateral projection. `Seite 2` is a page and `lado derecho` the right side, so these are none."""

AP_SIGNS = ("前后位", "前後位", "后前位", "後前位", "正位", "正面", "前後像", "後前像")
"""Chinese and Japanese words of the frontal projection, which stand between other signs without a space."""

LATERAL_SIGNS = ("侧位", "側位", "侧面", "側面")
"""Chinese and Japanese words of the lateral projection; `侧卧位` (lying) and `侧弯` (scoliosis) are none."""

BOTH_SIGNS = r"正(?:位|面)?[、,，/+&・和及与\s]*[侧側](?:位|面)"
"""Chinese and Japanese words of both projections at once, such as `腰椎正侧位`: no view."""

_BESIDE = r"(?:L|R|LT|RT|LEFT|RIGHT|LINKS|RECHTS|GAUCHE|DROITE?|IZQUIERD[OA]|DERECH[OA]|ESQUERD[OA]|DIREIT[OA])"
_AFTER = r"(?:VIEW|SPOT|CONED|FLEXION|EXTENSION|FLEX|EXT|NEUTRAL|STANDING|ERECT|UPRIGHT|SUPINE|REPEAT)"
_BETWEEN = r"[\s_\-.,;:/\\()\[\]+&]"
_NO_LETTER_BEFORE, _NO_LETTER_AFTER = r"(?<![^\W\d_])", r"(?![^\W\d_])"


def _either(words: tuple[str, ...]) -> str:
    return "|".join(rf"{w}(?!{_BETWEEN}*\d)" if w == "SEITE" else w for w in sorted(words, key=len, reverse=True))


_WORD = re.compile(
    rf"(?:{_NO_LETTER_BEFORE}(?:(?:{_AFTER}|{_BESIDE}){_BETWEEN}+)*"
    rf"(?:(?P<ap>{_either(AP_WORDS)})|(?P<lateral>{_either(LATERAL_WORDS)}))"
    rf"(?P<more>\d{{1,2}}(?![\d]))?{_NO_LETTER_AFTER}"
    rf"|(?P<both>{BOTH_SIGNS})[片像图]?"
    rf"|[左右]?(?:(?P<ap_sign>{'|'.join(AP_SIGNS)})|(?P<lateral_sign>{'|'.join(LATERAL_SIGNS)}))[片像图]?)"
    rf"(?:{_BETWEEN}*{_NO_LETTER_BEFORE}{_AFTER}{_NO_LETTER_AFTER})*",
    re.IGNORECASE,
)
_JOINED = re.compile(rf"(?:{_BETWEEN}|AND|UND|ET|Y|E)*", re.IGNORECASE)


def _view(match: re.Match[str]) -> View | None:
    if match["both"]:
        return None
    return View.AP if match["ap"] or match["ap_sign"] else View.LATERAL


def _words(text: str) -> list[re.Match[str]]:
    """Words for views in a text, at their places in it; letters count without accents."""
    plain = text if text.isascii() else "".join(unicodedata.normalize("NFD", c)[0] if c < "\u2000" else c for c in text)
    return list(_WORD.finditer(plain))


def view_from_text(text: str) -> View | None:
    """The view that a description spells, or None when it spells none or both."""
    views = {_view(match) for match in _words(text)}
    return views.pop() if len(views) == 1 else None


def _deciding(name: str) -> re.Match[str] | None:
    """The word of a name that gives its view: the last one, unless another view's stands right before it."""
    words = _words(name)
    if not words or words[-1]["both"]:
        return None
    both = len(words) > 1 and _view(words[-1]) is not _view(words[-2])
    return None if both and _JOINED.fullmatch(name[words[-2].end() : words[-1].start()]) else words[-1]


def _is_view_folder(name: str) -> re.Match[str] | None:
    """A folder whose name is one word for a view and nothing else."""
    word = _deciding(name)
    return word if word is not None and not re.sub(_BETWEEN, "", name[: word.start()] + name[word.end() :]) else None


def view_from_path(relative: PurePath) -> View | None:
    """The view that the name of a file spells, else that of the nearest folder that is nothing but a view's word."""
    word = _deciding(relative.stem)
    for folder in reversed(relative.parts[:-1]) if word is None else ():
        word = word or _is_view_folder(folder)
    return None if word is None else _view(word)


def study_key(relative: PurePath, root: str = "study") -> str:
    """What the paths of one study's plain images have in common: the path without the one word that gives the view.

    `p7_AP.png` and `p7_SIDE.png` are `p7`, `AP/p7.png` and `lateral/p7.png` too; every other part stays, so that no two
    patients become one.

    Args:
        relative: path of an image, from the folder that is read.
        root: name of that folder, for images whose path is nothing but words for a view.
    """
    folders, stem = list(relative.parts[:-1]), relative.stem
    word = _deciding(stem)
    if word is not None:
        stem = _without(stem, word)
    else:
        for place in reversed(range(len(folders))):
            if _is_view_folder(folders[place]):
                del folders[place]
                break
    return "/".join([*folders, *([stem] if stem else [])]) or root


def _without(name: str, word: re.Match[str]) -> str:
    before = re.sub(rf"{_BETWEEN}+$", "", name[: word.start()])
    after = re.sub(rf"^{_BETWEEN}+", "", name[word.end() :])
    return "_".join(part for part in (before, after) if part)
