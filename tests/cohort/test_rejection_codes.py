"""Codes of rejections and of levels that are left out."""

from __future__ import annotations

import pytest

from cohort.rejection_codes import WHOLE_STUDY, WHOLE_VERTEBRA, LevelCode, RejectionCode


@pytest.mark.parametrize("code", [*RejectionCode, *LevelCode])
def test_every_code_is_one_word_that_knows_its_meaning_in_one_line(code: RejectionCode | LevelCode) -> None:
    assert code.value.replace("_", "").isalpha() and code.value.islower()
    assert len(code.meaning) > 10 and "\n" not in code.meaning
    assert type(code)(code.value) is code, "read back from a file"  # type: ignore[call-arg]


@pytest.mark.parametrize("code", [*WHOLE_STUDY, RejectionCode.ANOTHER_IMAGE])
def test_meanings_say_what_a_code_of_one_image_rejects(code: RejectionCode) -> None:
    assert "rejects the" in code.meaning


@pytest.mark.parametrize("code", WHOLE_VERTEBRA)
def test_meanings_say_what_leaves_a_level_out_of_both_views(code: LevelCode) -> None:
    assert "both views" in code.meaning
