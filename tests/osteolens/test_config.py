"""Settings are strict, merge into the defaults of their field, and say what is wrong and where."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from classify.training.config import BODIES, ClassifierTraining
from detect.config import DetectionConfig
from osteolens.config import StrictConfig, load_config, recipes_of
from osteolens.errors import ConfigError
from osteolens.settings import settings_of
from pipeline.screening.config import ScreeningConfig


class Section(StrictConfig):
    """A section whose own defaults differ from those of the field that holds it."""

    side: int = Field(512, ge=64, le=1024, multiple_of=32, description="of a crop")
    roi: Literal["column", "vertebra"] = Field("column", description="what is cropped")


class Outer(StrictConfig):
    """A section with a section."""

    inner: Section = Field(Section(side=96), description="innermost")
    depth: int = Field(1, ge=0, le=3, description="of it")


class Deep(StrictConfig):
    """Settings of three levels."""

    outer: Outer = Field(Outer(inner=Section(side=160), depth=2), description="outer")


class Whole(StrictConfig):
    """Settings with a section."""

    crop: Section = Field(Section(side=128, roi="vertebra"), description="crops")
    other: Section | None = Field(None, description="of a second network")
    share: float = Field(0.5, gt=0, lt=1, description="of all")
    name: str = Field("a", pattern="^[a-z]$", description="one letter")
    plan: list[tuple[int, int]] = Field([(64, 1)], description="sides and epochs")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(text, "utf-8")
    return path


def test_command_line_beats_yaml_beats_default(tmp_path: Path) -> None:
    path = write(tmp_path, "nms_iou: 0.3\nmin_score: 0.2\n")
    config = load_config(DetectionConfig, path, ["min_score=0.4"])
    assert (config.min_score, config.nms_iou) == (0.4, 0.3)
    assert config.max_candidates == DetectionConfig().max_candidates


def test_a_section_keeps_the_defaults_of_its_field() -> None:
    """A part of a section once replaced the whole of it, and turned single bodies into the paper's column."""
    for override in ("preprocess={size_px: 160}", "preprocess.size_px=160"):
        found = load_config(ClassifierTraining, None, [override, "resolution_schedule=[[160, 1]]"])
        assert found.preprocess == BODIES.model_copy(update={"size_px": 160})


def test_sections_of_files_and_of_the_command_line_merge(tmp_path: Path) -> None:
    path = write(tmp_path, "crop: {side: 256}\nshare: 0.1\n")
    found = load_config(Whole, path, ["crop.roi=column"])
    assert (found.crop.side, found.crop.roi, found.share) == (256, "column", 0.1)
    assert load_config(Whole, write(tmp_path, "crop.side: 256\n")).crop.side == 256
    assert load_config(Whole, None, ["other.side=64"]).other == Section(side=64)
    assert load_config(Whole, None, ["other=null"]).other is None


def test_every_level_of_sections_keeps_its_defaults() -> None:
    found = load_config(Deep, None, ["outer.inner.roi=vertebra"])
    assert found == Deep(outer=Outer(inner=Section(side=160, roi="vertebra"), depth=2))
    with pytest.raises(ConfigError, match=r"'outer\.inner\.side' is 3, expected an integer"):
        load_config(Deep, None, ["outer.inner.side=3"])
    with pytest.raises(ConfigError, match=r"'outer\.depth' is 9, expected an integer, 0 to 3"):
        load_config(Deep, None, ["outer={depth: 9}"])


def test_a_threshold_of_detection_is_a_setting_of_screening() -> None:
    found = load_config(ScreeningConfig, None, ["detection.min_score=0.1"])
    assert found.detection == DetectionConfig(min_score=0.1)


@pytest.mark.parametrize(
    ("override", "closest"),
    [
        ("detection.min_scor=0.4", "detection.min_score"),
        ("min_score=0.4", "detection.min_score"),
        ("detecton.min_score=0.4", "detection.min_score"),
        ("min_confidenc=0.4", "min_confidence"),
        ("detection.min_confidence=0.4", "min_confidence"),
        ("detection={min_scor: 0.4}", "detection.min_score"),
    ],
)
def test_an_unknown_key_gets_the_closest_match_at_any_depth(override: str, closest: str) -> None:
    with pytest.raises(ConfigError, match=f"is unknown; did you mean '{closest}'"):
        load_config(ScreeningConfig, overrides=[override])


def test_an_unknown_key_of_a_file_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"c\.yaml: setting 'crop\.sid' is unknown; did you mean 'crop\.side'\?"):
        load_config(Whole, write(tmp_path, "crop:\n  sid: 64\n"))


def test_a_key_like_no_other_is_answered_with_where_all_stand() -> None:
    with pytest.raises(ConfigError, match="'zzzzzz' is unknown; osteolens config show lists all"):
        load_config(Whole, overrides=["zzzzzz=1"])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("crop.side=7", r"'crop\.side' is 7, expected an integer, 64 to 1024, multiple of 32"),
        ("crop.side=many", r"'crop\.side' is 'many', expected an integer, 64 to 1024"),
        ("crop.roi=body", r"'crop\.roi' is 'body', expected one of column, vertebra"),
        ("crop=3", r"'crop' is 3, expected its settings \(crop\.side, crop\.roi\)"),
        ("share=1", r"'share' is 1, expected a number, above 0, below 1"),
        ("share=.inf", r"'share' is inf, expected a number"),
        ("share=", r"'share' is None, expected a number"),
        ("name=B", r"'name' is 'B', expected text, like \^\[a-z\]\$"),
        ("plan=[[64]]", r"'plan' is \[\[64\]\], expected a list of \[integer, integer\]"),
        ("plan.0=3", r"'plan\.0' is unknown"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_found_and_expected(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(Whole, overrides=[override])


@pytest.mark.parametrize("text", ["nms_iou", "=3", "nms_iou=[", "nms_iou=&a [*a]", "a..b=1"])
def test_an_override_is_key_and_value(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--set"):
        load_config(DetectionConfig, overrides=[text])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1\n- 2\n", "found list"),
        ("a: &x [1]\nb: *x\n", "anchor"),
        ("share: 0.1\nshare: 0.2\n", "'share' stands twice"),
        ("[" * 200, "nested too deeply"),
        ("a: [\n", "line 2"),
        ("share: !!python/object:os.system 1\n", "tag"),
        ("x" * (2**20 + 1), "larger"),
        ("share: " + "9" * 6000, "cannot be read"),
    ],
)
def test_hostile_yaml_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(Whole, write(tmp_path, text))


def test_yaml_that_is_no_text_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "c.yaml", tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match=r"expected .*`key: value`"):
            load_config(Whole, path)


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load_config(Whole, write(tmp_path, "# nothing\n")) == Whole()


def test_the_shipped_recipe_is_loaded_by_name() -> None:
    assert recipes_of(ClassifierTraining) == ("few-films", "paper-column")
    few = load_config(ClassifierTraining, "few-films")
    assert few.resolution_schedule == [] and few.l2_sp, "the head alone, at the side of the weights"
    assert "preprocess" not in few.model_fields_set, "crops are those of the weights that it starts from"
    column = load_config(ClassifierTraining, "paper-column")
    assert column.preprocess.crops == 1 and column.pooled == "last" and column.preprocess.size_px == 512
    assert column.preprocess.margin_across == 0 and column.preprocess.equalised == 1, "as in the paper"
    with pytest.raises(ConfigError, match=r"'paper-colum' is neither a file nor .* did you mean 'paper-column'\?"):
        load_config(ClassifierTraining, "paper-colum")
    with pytest.raises(ConfigError, match="no recipe is shipped"):
        load_config(Whole, "paper-column")


def test_the_last_working_side_divides_the_crops_side() -> None:
    for text in ("[[64, 3]]", "[[16, 1], [96, 1]]", "[[640, 1], [96, 1]]"):
        with pytest.raises(ConfigError, match=r"'resolution_schedule' .*preprocess\.size_px, 96, the last one a div"):
            load_config(ClassifierTraining, None, [f"resolution_schedule={text}"])
    bodies = load_config(ClassifierTraining, None)
    assert bodies.preprocess.crops == 4 and bodies.pooled == "all" and bodies.resolution_schedule[-1][0] == 96


def test_settings_are_listed_with_default_bounds_and_description() -> None:
    found = {setting.key: setting for setting in settings_of(Whole)}
    assert list(found) == ["crop.side", "crop.roi", "other.side", "other.roi", "share", "name", "plan"]
    side = found["crop.side"]
    assert (side.default, side.expected, side.description) == (
        128,
        "an integer, 64 to 1024, multiple of 32",
        "of a crop",
    )
    assert found["other.side"].default is None, "the section is absent"
