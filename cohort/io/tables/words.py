"""The words that cells of tables may hold: closed lists, compared as a whole and never by their first letter."""

from __future__ import annotations

import unicodedata

from cohort.covariates import Sex
from cohort.study import Split

LANGUAGES = "English, German, French, Spanish, Italian, Portuguese, Chinese and Japanese"
"""What the lists below know."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


UNKNOWN = _words(
    "na n/a n.a n.a. n/d n.d. k.a. #n/a #na nan <na> null nil none - -- --- – — . .. ... ? unknown unk missing "
    "unbekannt inconnu inconnue desconocido desconocida sconosciuto sconosciuta desconhecido desconhecida 未知 "
    "不详 缺失 不明 未测 未测定 未検査"
) | {"", "n. a.", "k. a.", "not available", "not known", "not recorded", "keine angabe", "non renseigne"}
"""Cells that mean unknown, beside empty ones."""

FEMALE = _words(
    "f fem female females woman women w weibl weiblich weibliche weiblicher frau feminin feminine feminino "
    "feminina femenino femenina femme femelle madame mme mujer hembra femminile femmina donna mulher 女 女性 女士 "
    "女子"
)
MALE = _words(
    "m masc male males man men mannl mannlich maennlich mannliche mannlicher mann herr masculin masculine "
    "masculino masculina homme monsieur hombre varon maschio maschile uomo homem 男 男性 先生 男子"
)
NEITHER = _words("o u other diverse divers otro otra autre altro altra outro outra 其他 その他")
"""Neither female nor male for the classifier, so unknown."""

AMBIGUOUS = {
    "0": "a code of its own table",
    "1": "a code of its own table",
    "2": "a code of its own table",
    "9": "a code of its own table",
    "h": "hombre or homme, or hembra",
    "d": "donna, or divers",
    "v": "a single letter of many meanings",
    "m beside h": "mujer beside hombre, or male beside hembra",
    "m beside v": "mujer beside varon",
}
"""Cells that mean one thing here and another there."""

SPLITS = {
    Split.TRAINING: _words("training train"),
    Split.VALIDATION: _words("validation val dev"),
    Split.TEST: _words("test testing holdout hold-out hold_out heldout held-out held_out external")
    | {"hold out", "held out"},
}
"""What a study is for, in column `split`."""

NO = _words(
    "none no n false 0 nein kein keine non aucun aucune ninguno ninguna nessuno nessuna nao nenhum nenhuma 无 否"
)
"""Cells that deny: no implant."""


def plain(text: str) -> str:
    """A word without case, full-width forms and, where it is no single letter, accents; single blanks between parts."""
    if text.isascii():
        return " ".join(text.lower().split())
    folded = unicodedata.normalize("NFKC", text).strip().casefold()
    if len(folded) > 1:
        folded = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
    return " ".join(folded.split())


def is_unknown(text: str) -> bool:
    """Whether a cell is empty or one of the words for unknown."""
    return plain(text) in UNKNOWN


def known(text: str) -> str:
    """A cell of free text or an identifier as it stands; empty where it is unknown."""
    return "" if is_unknown(text) else text.strip()


ANONYMOUS_PATIENTS = _words("anonymous anonymized anonymised anonym anon anonyme anonimo anonymisiert 匿名")
"""Identifiers that stand for every patient and so for none."""


def named_patient(text: str | None) -> str | None:
    """A patient's identifier; None where it is missing, unknown or a word for anybody, which would join strangers."""
    return None if text is None or is_unknown(text) or plain(text) in ANONYMOUS_PATIENTS else text


def is_no(text: str) -> bool:
    """Whether a cell denies."""
    return plain(text) in NO


def sex_of(text: str) -> Sex | None:
    """Sex of a cell; None where it is unknown or neither.

    Raises:
        ValueError: no word of the lists; the message goes on after the cell's name.
    """
    word = plain(text)
    if word in UNKNOWN or (word := word.strip(".")) in UNKNOWN or word in NEITHER:
        return None
    if word in FEMALE:
        return Sex.FEMALE
    if word in MALE:
        return Sex.MALE
    why = f", which is ambiguous ({AMBIGUOUS[word]})" if word in AMBIGUOUS else ""
    raise ValueError(f"{text.strip()[:60]!r}{why}, expected F or M, or the whole word in {LANGUAGES}")


def settled_sexes(cells: list[str]) -> list[str]:
    """A column of sexes in which single letters of Spanish and French have the meaning that the others give them.

    H beside F alone is male (homme); M beside H or V may be mujer and stays ambiguous.
    """
    words = {plain(cell).strip(".") for cell in cells}
    if "m" in words and words & {"h", "v"}:
        other = "H" if "h" in words else "V"
        return [f"M beside {other}" if plain(cell).strip(".") == "m" else cell for cell in cells]
    if "h" in words and "f" in words:
        return ["M" if plain(cell).strip(".") == "h" else cell for cell in cells]
    return cells


def split_of_word(text: str) -> Split | None:
    """What a study is for by a cell of column `split`; None where it is unknown.

    Raises:
        ValueError: no word of the lists; the message goes on after the cell's name.
    """
    word = plain(text)
    if word in UNKNOWN:
        return None
    for split, words in SPLITS.items():
        if word in words:
            return split
    expected = ", ".join(f"{split} ({', '.join(sorted(words - {split.value}))})" for split, words in SPLITS.items())
    raise ValueError(f"{text.strip()[:60]!r}, expected {expected}, or an empty cell")
