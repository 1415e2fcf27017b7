"""Training with ultralytics leaves the user's environment and settings as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("ultralytics")

from detect.training.ultralytics_settings import PRIVATE, private_ultralytics

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("ignore")]

NAMES = ("YOLO_OFFLINE", "YOLO_AUTOINSTALL", "YOLO_CONFIG_DIR")


def test_settings_are_private_and_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("YOLO_OFFLINE", raising=False)
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path / "user"))
    before = {name: os.environ.get(name) for name in NAMES}
    with private_ultralytics(tmp_path / "run"):
        from ultralytics import settings
        from ultralytics.utils.events import events

        assert os.environ["YOLO_OFFLINE"] == "true" and not events.enabled
        assert all(settings[name] == value for name, value in PRIVATE.items() if name in settings)
        on_disk = Path(settings.file).read_bytes()
    assert {name: os.environ.get(name) for name in NAMES} == before
    assert settings["sync"] is True, "as ultralytics has it"
    assert Path(settings.file).read_bytes() == on_disk, "nothing is written"


def test_settings_come_back_after_an_error(tmp_path: Path) -> None:
    before = dict(os.environ)
    with pytest.raises(RuntimeError), private_ultralytics(tmp_path):
        raise RuntimeError
    from ultralytics import settings

    assert settings["sync"] is True and dict(os.environ) == before
