"""Bytes of a table into text: UTF-8, UTF-16, cp1252, GB18030, Big5 or Shift JIS; an error where several fit."""

from __future__ import annotations

import codecs
import re
from functools import cache

from cohort.mapping.header_words import HEADER_WORDS, UNUSED_WORDS
from osteolens.errors import ReadError

SAVE_AS = "save the table as 'CSV UTF-8' and try again"
"""Advice for a table in another encoding, in the words of spreadsheet programs."""

GUESSED = {
    "cp1252": "Western European (cp1252)",
    "gb18030": "Chinese (GB18030)",
    "big5": "Chinese (Big5)",
    "cp932": "Japanese (Shift JIS)",
}
"""Encodings without a mark in the file; a table in one of them is read with a note."""

EAST_ASIAN = ("gb18030", "big5", "cp932")

LEAST_HEADER_WORDS = 2
"""Known words of columns in a header that show its encoding."""

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SPREADSHEETS = ((b"PK\x03\x04", "xlsx or ods"), (b"\xd0\xcf\x11\xe0", "xls"))

WESTERN_LETTERS = frozenset("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüÿŒœ")
"""Letters beyond ASCII of the languages that cp1252 is taken for; Czech, Turkish and Icelandic ones are not in it."""

WESTERN_SIGNS = frozenset("°²³µ±€–—‘’“”„«»·ªº¿¡…×½\xa0")
"""Signs of cp1252 that tables hold; none of them stands between two letters."""

COMMON_HANZI = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然家种事成方多经么去法学如都"
    "同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由"
    "问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真"
    "论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直德资命山金指克许统区保至队形社便空"
    "决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记南品住告类求据程北边死张该交规万取拉格望觉术领共确传师观清今切院让识"
    "候带导争运笔医附属骨射影病患男岁龄密椎腰侧片检查号编姓址省县州京沪津渝粤苏浙鲁川湘鄂豫冀晋陕甘宁蒙黑吉辽闽赣皖琼云贵藏青疆深汉武协瑞同济"
    "雅齐积潭朝阳友谊宣华仁诊断室组站疗养健康妇幼矿铁局院李刘陈杨黄赵吴周徐孙朱胡郭林罗郑梁谢宋唐韩冯邓曹彭曾萧田董袁潘蒋蔡余杜叶魏吕丁沈姚卢"
    "姜崔钟谭陆汪范石廖贾夏韦付邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵钱严覃戴莫孔汤芳娟敏静秀丽艳娜玲桂英兰霞翠红梅琴莲香凤洁素荣爱佳嘉勤珍"
    "贞莉婷伟磊洋勇杰涛超刚辉波斌鹏飞浩宇未详质疏松折低减"
)
"""Signs that nearly every Chinese table is made of: frequent ones, provinces, hospitals, surnames and given names.

Bytes of Korean, Japanese or Western text that happen to be valid GB18030 give rare signs.
"""

COMMON_FRACTION, COMMON_FRACTION_IF_KOREAN = 0.6, 0.8
"""Least fraction of a text's Chinese signs that are common ones; the second where the bytes are Korean (cp949) too."""

_HANZI = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_BESIDE_HANZI = re.compile(r"[\u3000-\u303f\uff01-\uffe6‘’“”—…·°²℃×±μ％]")
_WORD = re.compile(r"[^\W\d_]+")
_UPPER_AFTER_LOWER = re.compile(r"[a-zß-ÿœ][À-ÞŒ]")
_MANY_IN_A_ROW = re.compile(r"[^\x00-\x7f]{3}")
_SIGN_IN_WORD = re.compile(
    r"[^\W\d_](?!(?<=[a-zß-ÿ])–[A-ZÀ-Þ])[^\x00-\x7f\w’·][^\W\d_]|[^\W\d_][²³ªº][^\W\d_]|(?![lL]·)[^\W\d_]·[^\W\d_]"
)
_NOT_BEFORE_THAT = re.compile(r"ñ(?![aeiouáéíóúü])|õ(?!e)|ã(?![oes]|\b)|œ(?![ucdeilmnst])", re.IGNORECASE)
"""Letters of Western languages where these languages have none, as in Polish or Hungarian read as cp1252."""

_LATIN_BESIDE_OTHERS = re.compile(r"[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][A-Za-z]")
_LETTER_BESIDE_HANZI = re.compile(r"(?<=[A-Za-z])([\u3400-\u9fff])|([\u3400-\u9fff])(?=[A-Za-z])")
_APOSTROPHE = re.compile(r"([^\W\d_]+)’([^\W\d_]+)")
_ELIDED = re.compile(r"([ldjmtsnco]|qu|un|dell|all|dall|nell|sull|quell|jusqu|lorsqu|puisqu)", re.IGNORECASE)
_AFTER_APOSTROPHE = re.compile(r"(s|t|re|ll|ve|d|m)", re.IGNORECASE)


def decode_table(raw: bytes, name: str) -> tuple[str, str]:
    """Text without its byte order mark, and the name of its encoding.

    Tried in this order: a byte order mark; UTF-16 by where its zero bytes stand; UTF-8; the one of GB18030, Big5 and
    Shift JIS in which the header holds words of columns; then cp1252 and GB18030, of which one must read as text of its
    languages and the other must not.

    Raises:
        ReadError: a spreadsheet's own file, NUL bytes, or an encoding that cannot be recognised.
    """
    for magic, kind in _SPREADSHEETS:
        if raw.startswith(magic):
            raise ReadError(f"{name}: is a spreadsheet ({kind}), expected a CSV; {SAVE_AS}")
    mark, encoding = next(((m, e) for m, e in _MARKS if raw.startswith(m)), (b"", _wide_encoding(raw)))
    body = raw[len(mark) :]
    if encoding is not None:
        decoded = _decoded(body, encoding)
        if decoded is None:
            raise ReadError(f"{name}: begins as {encoding.upper()} and goes on otherwise; {SAVE_AS}")
        text = decoded
    else:
        text, encoding = _by_bytes(body, name)
    text = text.lstrip("\ufeff").rstrip("\x1a")
    if "\x00" in text:
        raise ReadError(
            f"{name} line {_line(text[: text.index(chr(0))])}: holds NUL characters, expected text; {SAVE_AS}"
        )
    return text, encoding


def _wide_encoding(raw: bytes) -> str | None:
    """UTF-16 without a mark: delimiters, digits and Latin letters have their zero byte on one side."""
    start = raw[:4096]
    even, odd = start[0::2].count(0), start[1::2].count(0)
    enough = len(start) // 8
    if odd > enough and 4 * even < odd:
        return "utf-16-le"
    return "utf-16-be" if even > enough and 4 * odd < even else None


def _by_bytes(raw: bytes, name: str) -> tuple[str, str]:
    try:
        utf_8 = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"{name} line {_line(raw[: error.start].decode('latin-1'))}"
    else:
        chinese = None if utf_8.isascii() else _chinese_by_chance_utf_8(utf_8, raw)
        return (utf_8, "utf-8") if chinese is None else (chinese, "gb18030")
    headed = [(text, code) for code in EAST_ASIAN if (text := _decoded(raw, code)) is not None and _has_header(text)]
    if len(headed) == 1:
        return headed[0]
    candidates = [(text, code) for code, fits in (("cp1252", _is_western), ("gb18030", _is_chinese))
             if (text := _decoded(raw, code)) is not None and fits(text, raw)]  # fmt: skip
    if len(candidates) == 1:
        return candidates[0]
    guessed = [GUESSED[code] for code in ("cp1252", "gb18030")]
    known = " and as ".join(guessed) if candidates else " nor ".join(guessed)
    what = f"reads both as {known} text" if candidates else f"is neither UTF-8 nor surely {known} text"
    raise ReadError(f"{where}: {what}; {SAVE_AS}")


def _has_header(text: str) -> bool:
    """Whether the first line holds words of columns in Chinese or Japanese, which no other encoding gives by chance."""
    cells = re.split(r"[,;\t\"'()（）【】\[\]/: ]+", text.lstrip("\r\n").partition("\n")[0].strip())
    found = {cell for cell in cells if cell in _east_asian_words()}
    return len(found) >= LEAST_HEADER_WORDS


@cache
def _east_asian_words() -> frozenset[str]:
    """Words of columns in Chinese and Japanese of two signs at least."""
    lists = [texts[5:] for texts in HEADER_WORDS.values()] + [[UNUSED_WORDS]]
    words = (word.strip() for texts in lists for text in texts for word in text.split(","))
    return frozenset(word for word in words if len(word) > 1 and _HANZI.search(word))


def _chinese_by_chance_utf_8(text: str, raw: bytes) -> str | None:
    """GB18030 text whose bytes are valid UTF-8 as well: the sign for woman gives a Czech letter that stands alone."""
    beyond = {c for c in text if not c.isascii()}
    if beyond & (WESTERN_LETTERS | WESTERN_SIGNS) or max(beyond) > "\u07ff" or re.search(_LATIN_BESIDE_OTHERS, text):
        return None
    chinese = _decoded(raw, "gb18030")
    common = chinese is not None and all(c.isascii() or c in COMMON_HANZI for c in chinese)
    return chinese if common else None


def _decoded(raw: bytes, encoding: str) -> str | None:
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _line(before: str) -> int:
    return len(re.findall(r"\r\n|\r|\n", before)) + 1


def _is_western(text: str, _raw: bytes) -> bool:
    """Whether every letter and sign beyond ASCII stands where words of Western Europe have one."""
    if {c for c in text if not c.isascii()} - WESTERN_LETTERS - WESTERN_SIGNS:
        return False
    if any(p.search(text) for p in (_SIGN_IN_WORD, _UPPER_AFTER_LOWER, _MANY_IN_A_ROW, _NOT_BEFORE_THAT)):
        return False
    if any(not word.isascii() and len(word) > 1 and not re.search("[A-Za-z]", word) for word in _WORD.findall(text)):
        return False
    return all(
        _ELIDED.fullmatch(before) or _AFTER_APOSTROPHE.fullmatch(after) for before, after in _APOSTROPHE.findall(text)
    )


def _is_chinese(text: str, raw: bytes) -> bool:
    """Whether the signs beyond ASCII are Chinese and mostly common ones."""
    beyond = [c for c in text if not c.isascii()]
    hanzi = [c for c in beyond if _HANZI.match(c)]
    if not hanzi or any(not _BESIDE_HANZI.match(c) for c in beyond if not _HANZI.match(c)):
        return False
    if any(sign not in COMMON_HANZI for pair in _LETTER_BESIDE_HANZI.findall(text) for sign in pair if sign):
        return False
    korean = _decoded(raw, "cp949")
    is_korean = korean is not None and all("가" <= c <= "힣" for c in korean if not c.isascii())
    least = COMMON_FRACTION_IF_KOREAN if is_korean else COMMON_FRACTION
    return sum(c in COMMON_HANZI for c in hanzi) >= least * len(hanzi)
