"""What the cells of one column say for and against what its header names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cohort.io.tables.cells import settled_days
from cohort.io.tables.words import AMBIGUOUS, MALE, NEITHER, UNKNOWN, is_unknown, plain, settled_sexes, sex_of
from cohort.mapping.columns_file import ORDERS, UNITS, Meaning, ProposedColumn, unit_key
from cohort.mapping.headers import HeaderReading, compact
from cohort.mapping.units import unit_of_word, units_of_range, units_that_fit

_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)")
_WITH_UNIT = re.compile(r"([+-]?\d+(?:[.,]\d*)?)\s*([^\W\d_]\S*)")
_EITHER = re.compile(r"(\d{1,2})([/-])(\d{1,2})\2(\d{4})(?!\d)")
_CODES = re.compile(r"(?<!\d)(\d)\s*[=:：-]?\s*([^\W\d_]+)|([^\W\d_]+)\s*[=:：]\s*(\d)(?!\d)")
_SPANISH = frozenset({"sexo", "genero"})


def numbers_of(cells: Sequence[str]) -> tuple[float, ...]:
    """The numbers of a column, with a point or a comma; cells with a unit of their own and words are left out."""
    cleaned = (cell.strip().replace("\u2212", "-") for cell in cells)
    return tuple(float(text.replace(",", ".")) for text in cleaned if _NUMBER.fullmatch(text))


def measured(header: str, cells: Sequence[str], column: str, reading: HeaderReading) -> ProposedColumn:
    """A column of numbers with its unit: by the header where its values agree, else by their range."""
    key = unit_key(column)
    values = numbers_of(cells)
    fits = units_that_fit(key, values)
    meanings: tuple[Meaning | None, ...]
    span = f"{min(values):g} to {max(values):g}" if values else "no number"
    units, own = UNITS.get(key, {}), next(iter(UNITS.get(key, {})), None)
    stated = reading.unit or (own if reading.exact else None)
    given = _in(column, stated)
    if not units:
        return ProposedColumn(header=header, meanings=(Meaning(column=column),))
    if not values:
        described = [m for cell in cells if (m := _WITH_UNIT.fullmatch(cell.strip())) and unit_of_word(key, m[2])]
        meanings, why = (given,), "each cell has its unit" if described else "no number in it"
    elif stated is not None and stated in units_of_range(key, values):
        meanings, why = (given,), span
    elif stated is not None:
        meanings = (given, *(_in(column, unit) for unit in fits if unit != stated), None)
        why = f"the header says {stated}, but {span} is out of its range"
    elif fits:
        meanings = tuple(_in(column, unit) for unit in fits) + ((None,) if len(fits) > 1 else ())
        why = span if len(fits) == 1 else f"{span} fits {' and '.join(fits)}"
    else:
        meanings, why = (_in(column, own), None), f"{span} is out of the range of {column}"
    return ProposedColumn(header=header, meanings=meanings, why=why)


def _in(column: str, unit: str | None) -> Meaning:
    """A meaning that names the unit, unless it is the column's own."""
    own = next(iter(UNITS.get(unit_key(column), {})), None)
    return Meaning(column=column, unit=None if unit == own and unit_key(column) != "weight_kg" else unit)


def of_sex(header: str, cells: Sequence[str]) -> ProposedColumn:
    """A column of sexes; codes and single letters of two meanings are taken where the header says what they are."""
    settled = [plain(cell).strip(".") for cell in settled_sexes(list(cells))]
    words = {word.partition(" beside ")[0] for word in settled} - UNKNOWN
    meaning = Meaning(column="sex")
    m_unsure = any(" beside " in word for word in settled)
    unsure = sorted(word for word in words if word in AMBIGUOUS or (word == "m" and m_unsure))
    if not unsure:
        only_m = words and words <= {"m"} | NEITHER and compact(header) in _SPANISH
        if not only_m:
            unread = sorted(word for word in words if not _is_sex(word))
            why = f"not known: {', '.join(unread[:3])}" if unread else ""
            return ProposedColumn(header=header, meanings=(meaning,), why=why)
        unsure = ["m"]
    if (codes := _codes(header)) and set(unsure) <= {code for code, _ in codes}:
        return ProposedColumn(header=header, meanings=(Meaning(column="sex", words=codes),), why="by its header")
    choices = [Meaning(column="sex", words=pairs) for pairs in _readings(words, unsure)]
    why = f"{', '.join(word.upper() for word in unsure)} may stand for women or men"
    return ProposedColumn(header=header, meanings=(*choices, None), why=why)


def _is_sex(word: str) -> bool:
    try:
        sex_of(word)
    except ValueError:
        return False
    return True


def _codes(header: str) -> tuple[tuple[str, str], ...]:
    """Codes that a header explains: `Sex (1=M, 2=F)`, `性别(1男2女)`."""
    pairs = []
    for match in _CODES.finditer(header):
        code, word = (match[1], match[2]) if match[1] else (match[4], match[3])
        if _is_sex(word) and (sex := sex_of(word)) is not None:
            pairs.append((code, str(sex)))
    return tuple(pairs) if len({sex for _, sex in pairs}) == 2 and len({code for code, _ in pairs}) == 2 else ()


def _readings(words: set[str], unsure: Sequence[str]) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Both ways to read two signs, and to read one sign alone."""
    if set(unsure) == {"h", "m"} or words >= {"h", "m"}:
        return (("H", "M"), ("M", "F")), (("H", "F"), ("M", "M"))
    if len(unsure) == 2:
        one, other = unsure
        return ((one, "M"), (other, "F")), ((one, "F"), (other, "M"))
    kept = tuple(("M", "M") for word in words if word == "m" and "m" not in unsure and word in MALE)
    return tuple((*((word.upper(), sex) for word in unsure), *kept) for sex in ("F", "M"))


def of_day(header: str, cells: Sequence[str], column: str) -> ProposedColumn:
    """A column of days; where no cell tells whether day or month comes first, the user says it."""
    unsettled = [
        cell for cell in settled_days(list(cells))
        if (match := _EITHER.match(cell.strip())) and match[1] != match[3] and max(int(match[1]), int(match[3])) <= 12
    ]  # fmt: skip
    if not unsettled:
        return ProposedColumn(header=header, meanings=(Meaning(column=column),))
    choices = (*(Meaning(column=column, order=order) for order in ORDERS), None)
    return ProposedColumn(header=header, meanings=choices, why=f"{unsettled[0]} may be day/month or month/day")


def known_cells(cells: Sequence[str]) -> list[str]:
    """Cells that are not unknown."""
    return [cell.strip() for cell in cells if not is_unknown(cell)]
