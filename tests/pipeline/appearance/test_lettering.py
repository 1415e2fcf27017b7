"""Lines of words in pictures."""

from __future__ import annotations

from pipeline.appearance.lettering import font, legible, wrapped


def test_lines_are_no_wider_than_asked_and_lose_no_letter() -> None:
    text = "osteoporosis ruled out at the predictive values of averyveryveryverylongwordwithoutaspace in it"
    lines = wrapped(text, font(20), 150)
    assert len(lines) > 4 and all(font(20).getlength(line) <= 150 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert wrapped("", font(20), 150) == []


def test_a_width_of_less_than_a_letter_still_ends() -> None:
    assert wrapped("ab", font(20), 1) == ["a", "b"]


def test_signs_that_the_font_lacks_are_written_out() -> None:
    assert legible("T-score \N{MINUS SIGN}2.5, \N{GREEK SMALL LETTER ALPHA}") == "T-score \N{MINUS SIGN}2.5, α"
    assert legible("\N{CJK UNIFIED IDEOGRAPH-9AA8}\n") == "U+9AA8\\n"
