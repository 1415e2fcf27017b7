"""Names of levels as labelling tools hold them."""

from __future__ import annotations

import pytest

from cohort.importers.level_names import level_of, names_a_body, read_level

SPELT = {
    "L1": [
        *("L1", "l1", "LWK1", "LWK_1", "L-1", "L01", "lumbar_1", "腰1", "腰一", "第1腰椎", "L1椎体", "腰椎1", "Ｌ１"),
        *("AP_L1", "vertebrae_L1", "LW 1", "L 1", "LWK 1", "lumbar 1", "lumbar vertebra 1", "first lumbar vertebra"),
        *("1. LWK", "L I", "요추 1번", "제1요추"),
    ],
    "L4": ["LWK IV", "Lendenwirbelkörper 4", "vertèbre lombaire 4", "vértebra lumbar 4", "L4 (fracture)", "L4 7"],
    "T12": ["Th12", "T12", "D12", "BrWK12", "BW12", "第十二胸椎", "胸12椎体", "T-12", "BWK 12", "dorsal 12", "Th XII"],
    "S1": ["S1", "SWK1", "sakral 1", "骶1", "仙椎1"],
}


@pytest.mark.parametrize(("level", "text"), [(level, text) for level, texts in SPELT.items() for text in texts])
def test_a_level_is_read_in_many_spellings(level: str, text: str) -> None:
    assert level_of(text) == level


@pytest.mark.parametrize(
    "text",
    ["L1/2", "L1-2", "L1_2", "L5S1", "L5/S1", "T12-L1", "L1 disc", "Bandscheibe L1", "腰1/2椎间盘", "pedicle_L3"],
)
def test_discs_pairs_and_parts_name_no_body(text: str) -> None:
    assert level_of(text) is None


@pytest.mark.parametrize(
    "text", ["implant", "", "1", "L", "LAT_1", "left", "R", "1 L", "LIV", "AL1", "lateral 2", "K1"]
)
def test_other_words_name_no_level(text: str) -> None:
    assert read_level(text).level is None and read_level(text).reason == "the label names no single vertebral level"


@pytest.mark.parametrize(("text", "name"), [("L6", "L6"), ("Th9", "T9"), ("BWK 1", "T1"), ("S2", "S2")])
def test_levels_outside_those_that_are_read_are_told_by_name(text: str, name: str) -> None:
    assert read_level(text).level is None and f"from T10 to S1 ({name})" in read_level(text).reason


def test_words_for_a_body_of_any_level() -> None:
    assert all(names_a_body(text) for text in ("vertebra", "Vertebral Body", "Wirbelkörper", "椎体", "vertebra_12"))
    assert not any(names_a_body(text) for text in ("implant", "0", "L1", "vertebra implant"))
