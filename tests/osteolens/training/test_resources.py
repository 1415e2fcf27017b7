"""Memory and disk that are missing are told in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from osteolens.errors import ConfigError, OutputError
from osteolens.training import resources
from osteolens.training.resources import GIBIBYTE, available_memory, check_disk, check_memory


def test_a_disk_without_room_is_told(tmp_path: Path) -> None:
    check_disk(tmp_path / "new" / "run", 10, "images")
    with pytest.raises(OutputError, match=r"run: images need about 931322574\.6 GB, and .* are free; free space"):
        check_disk(tmp_path / "new" / "run", 1e18, "images")


def test_memory_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "available_memory", lambda: 2 * GIBIBYTE)
    check_memory(GIBIBYTE, "steps", "take fewer")
    with pytest.raises(ConfigError, match=r"steps need about 3\.0 GB of memory, and 2\.0 GB are free; take fewer"):
        check_memory(3 * GIBIBYTE, "steps", "take fewer")


def test_a_container_s_limit_counts(tmp_path: Path) -> None:
    for name, text in (("max", "1000\n"), ("current", "600\n"), ("stat", "anon 500\ninactive_file 100\n")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert resources._of_container(tmp_path) == 500
    (tmp_path / "memory.max").write_text("max\n")
    assert resources._of_container(tmp_path) is None and resources._of_kernel(tmp_path / "none") is None
    assert (available_memory() or 1) > 0
