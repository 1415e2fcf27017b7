"""Numbers and days as people write them into tables; errors name the line and the column."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date

from cohort.io.tables.words import is_unknown, plain
from osteolens.documents.json_document import quoted
from osteolens.errors import ReadError

YEARS = 1900, 2100
"""Years that a study or scan can be of."""

_MINUS = str.maketrans({"\u2212": "-", "\u2010": "-", "\u2011": "-", "\u2013": "-"})
_DECIMAL = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+", re.ASCII)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_MANY_GROUPS = re.compile(r"[+-]?\d{1,3}([.,'’\s_]\d{3})+([.,]\d*)?", re.ASCII)
_WITH_UNIT = re.compile(r"[+-]?\d+([.,]\d*)?\s*[^\W\d_/%°²³]+[\w/%°²³]*|[+-]?\d+([.,]\d*)?\s*[%°]")

_CLOCK = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2}(?:[.,]\d+)?)?\s*(?:[ap]\.?\s?m\.?)?"
_TIME = rf"(?:(?:T|\s+){_CLOCK}\s*(?:Z|UTC|GMT|[+-]\d{{2}}:?\d{{2}})?|T)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}}){_TIME}", re.ASCII | re.IGNORECASE)
_CHINESE = re.compile(rf"(\d{{4}})\s*年\s*(\d{{1,2}})\s*月\s*(\d{{1,2}})\s*[日号]?{_TIME}", re.IGNORECASE)
_ERA = re.compile(r"(明治|大正|昭和|平成|令和)\s*(\d{1,2}|元)(?=\s*年)")
_COMPACT = re.compile(
    r"(\d{4})(\d{2})(\d{2})(?:T?\d{4}(?:\d{2}(?:\.\d+)?)?)?" + rf"(?:{_TIME})", re.ASCII | re.IGNORECASE
)
_DAY_FIRST = re.compile(rf"(\d{{1,2}})\.\s?(\d{{1,2}})\.\s?(\d{{4}}){_TIME}", re.ASCII | re.IGNORECASE)
_EITHER_FIRST = re.compile(rf"(\d{{1,2}})([/-])(\d{{1,2}})\2(\d{{4}})({_TIME})", re.ASCII | re.IGNORECASE)
_NAMED = re.compile(
    rf"(\d{{1,2}})[.\s-]*(?:de\s+)?([^\W\d_]{{3,}})\.?[\s,-]*(?:del?\s+)?(\d{{4}}){_TIME}", re.IGNORECASE
)
_NAME_FIRST = re.compile(rf"([^\W\d_]{{3,}})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+(\d{{4}}){_TIME}", re.IGNORECASE)

_FIRST_YEARS = {"明治": 1868, "大正": 1912, "昭和": 1926, "平成": 1989, "令和": 2019}
"""First year of each Japanese era, which is its year 1 (元年)."""

_MONTHS = {
    name: month
    for month, names in enumerate(
        (
            "jan january januar janner janvier janv ene enero gen gennaio janeiro",
            "feb february februar feber fev fevr fevrier febrero febbraio fevereiro",
            "mar march marz mrz mars marzo marco",
            "apr april avr avril abr abril aprile",
            "may mai mayo mag maggio maio",
            "jun june juni juin junio giu giugno junho",
            "jul july juli juil juillet julio lug luglio julho",
            "aug august aou aout ago agosto",
            "sep sept september septembre septiembre set sett settembre setembro",
            "oct october okt oktober octobre octubre ott ottobre out outubro",
            "nov november novembre noviembre novembro",
            "dec december dez dezember decembre dic diciembre dicembre dezembro",
        ),
        start=1,
    )
    for name in names.split()
}
"""Months in the languages of `cohort.io.tables.words`, without accents."""


def number(text: str, where: str, name: str, limits: tuple[float, float], decimal_comma: bool = False) -> float | None:
    """A number with a decimal point or comma, None where the cell is unknown.

    Args:
        text: the cell.
        where: file and line, for messages.
        name: the column, for messages.
        limits: lowest and highest value, in the column's unit.
        decimal_comma: whether other cells of the table show that a comma is the decimal sign, so that `1,234` and
            `1.234`, which may be 1.234 or 1234, can be read.

    Raises:
        ReadError: no number, a thousands separator, a unit, or a value out of the limits.
    """
    cleaned = _plain_number(text)
    if not _DECIMAL.fullmatch(cleaned):
        if is_unknown(cleaned):
            return None
        raise ReadError(f"{where}: {name} is {quoted(text.strip())}, expected a number{_why_no_number(cleaned)}")
    value, (low, high) = float(cleaned.replace(",", ".")), limits
    if (
        _GROUPED.fullmatch(cleaned)
        and low <= float(re.sub("[.,]", "", cleaned)) <= high
        and ("," in cleaned) != decimal_comma
    ):
        raise ReadError(
            f"{where}: {name} is {quoted(text.strip())}, which may hold a decimal sign or a thousands separator; "
            "expected a plain number such as 1234 or 1.2340"
        )
    if not low <= value <= high:
        raise ReadError(f"{where}: {name} is {text.strip()[:40]}, expected {low:g} to {high:g}; check the unit")
    return value


def whole_number(text: str, where: str, name: str, limits: tuple[float, float]) -> int | None:
    """A number without a fraction, None where the cell is unknown.

    Args:
        text: the cell.
        where: file and line, for messages.
        name: the column, for messages.
        limits: lowest and highest value, in the column's unit.

    Raises:
        ReadError: as `number`, or a fraction.
    """
    value = number(text, where, name, limits)
    if value is not None and value != int(value):
        raise ReadError(f"{where}: {name} is {text.strip()[:40]}, expected a whole number")
    return None if value is None else int(value)


def has_decimal_comma(texts: Iterable[str], highest: float) -> bool:
    """Whether a comma can only be a decimal sign in some cell: no group of three digits, or too large as one."""
    for text in map(_plain_number, texts):
        if _DECIMAL_COMMA.fullmatch(text) and (
            not _GROUPED.fullmatch(text) or abs(float(text.replace(",", ""))) > highest
        ):
            return True
    return False


def _plain_number(text: str) -> str:
    stripped = text.strip()
    return stripped if stripped.isascii() else unicodedata.normalize("NFKC", stripped).translate(_MINUS)


def _why_no_number(text: str) -> str:
    if _MANY_GROUPS.fullmatch(text):
        return " without thousands separators, such as 1234.5"
    if _WITH_UNIT.fullmatch(text):
        return " alone; the unit stands in the column's name"
    return ""


def day(text: str, where: str, name: str) -> date | None:
    """A day in one of the forms of docs/reference/data-formats.md without its time; None where the cell is unknown.

    Raises:
        ReadError: no day, two digits of a year, or a day and a month that could change places.
    """
    cleaned = unicodedata.normalize("NFKC", text.strip())
    if is_unknown(cleaned):
        return None
    cleaned = _ERA.sub(_year_of_era, cleaned)
    parts = _year_month_day(cleaned)
    either = _EITHER_FIRST.fullmatch(cleaned)
    if parts is None and either:
        first, second, year = int(either[1]), int(either[3]), int(either[4])
        if first != second and max(first, second) <= 12:
            raise ReadError(
                f"{where}: {name} is {quoted(cleaned)}, which may be day/month or month/day, and no day above 12 in "
                "its column tells which; expected YYYY-MM-DD"
            )
        parts = (year, first, second) if second > 12 else (year, second, first)
    if parts is None:
        raise ReadError(f"{where}: {name} is {quoted(cleaned)}, expected YYYY-MM-DD{_why_no_day(cleaned)}")
    try:
        value = date(*parts)
    except ValueError as error:
        raise ReadError(
            f"{where}: {name} is {quoted(cleaned)}, which is no day ({error}); expected YYYY-MM-DD"
        ) from error
    if not YEARS[0] <= value.year <= YEARS[1]:
        raise ReadError(f"{where}: {name} is {quoted(cleaned)}, expected a year from {YEARS[0]} to {YEARS[1]}")
    return value


def _year_of_era(match: re.Match[str]) -> str:
    return str(_FIRST_YEARS[match[1]] + (1 if match[2] == "元" else int(match[2])) - 1)


def _year_month_day(text: str) -> tuple[int, int, int] | None:
    """(year, month, day) of a form in which they cannot change places; None of any other."""
    if match := _YEAR_FIRST.fullmatch(text):
        return int(match[1]), int(match[3]), int(match[4])
    if match := _CHINESE.fullmatch(text) or _COMPACT.fullmatch(text):
        return int(match[1]), int(match[2]), int(match[3])
    if match := _DAY_FIRST.fullmatch(text):
        return int(match[3]), int(match[2]), int(match[1])
    if (match := _NAMED.fullmatch(text)) and plain(match[2]) in _MONTHS:
        return int(match[3]), _MONTHS[plain(match[2])], int(match[1])
    if (match := _NAME_FIRST.fullmatch(text)) and plain(match[1]) in _MONTHS:
        return int(match[3]), _MONTHS[plain(match[1])], int(match[2])
    return None


def _why_no_day(text: str) -> str:
    if re.fullmatch(r"\d{5}([.,]\d+)?", text):
        return "; this is a spreadsheet's count of days, format the column as a date"
    if re.fullmatch(r"\d{1,2}[-/. ]+\w+[-/. ]+\d{2}", text):
        return " with four digits of the year"
    return ""


def settled_days(cells: Sequence[str]) -> list[str]:
    """A column in which `03/04/2021` is written YYYY-MM-DD where another cell has a day above 12 in the same order.

    Cells of a column that shows no order, or both, stay as they are.
    """
    matches = [_EITHER_FIRST.fullmatch(cell.strip()) for cell in cells]
    day_first = any(m and int(m[1]) > 12 for m in matches)
    month_first = any(m and int(m[3]) > 12 for m in matches)
    if day_first == month_first:
        return list(cells)
    return [_iso(cell, match, day_first) for cell, match in zip(cells, matches, strict=True)]


def _iso(cell: str, match: re.Match[str] | None, day_first: bool) -> str:
    if match is None:
        return cell
    first, second = int(match[1]), int(match[3])
    try:
        return date(int(match[4]), *((second, first) if day_first else (first, second))).isoformat()
    except ValueError:
        return cell
