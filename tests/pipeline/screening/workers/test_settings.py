"""How many processes a run has, and what each may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from osteolens.inference import fastest
from osteolens.inference.choices import Device
from osteolens.inference.config import InferenceConfig
from pipeline.bundle.load import Bundle
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.workers import settings as module
from pipeline.screening.workers.settings import WorkerSettings, number_of_processes


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_cores", lambda: 8)
    monkeypatch.setattr(module, "_memory_bytes", lambda: 11 * 2**30)


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("jobs", "studies", "expected"), [(0, 6, 1), (0, 47, 2), (0, 10_000, 5), (3, 2, 2), (3, 0, 1)])
def test_processes_follow_studies_cores_and_memory(jobs: int, studies: int, expected: int) -> None:
    assert number_of_processes(ScreeningConfig(jobs=jobs), studies) == expected


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(("threads", "processes", "expected"), [(0, 1, 0), (0, 3, 2), (0, 20, 1), (4, 3, 4)])
def test_processes_share_the_cores(bundle: Bundle, threads: int, processes: int, expected: int) -> None:
    config = ScreeningConfig(threads=threads)
    whole = WorkerSettings(bundle=bundle, config=config, manual_rois=None, root=None, out=Path("out"))
    assert whole.of_one(processes).config.threads == expected
    assert whole.of_one(processes).identifiers == whole.identifiers, "no result depends on it"


def test_devices_are_chosen_once_for_all_processes(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastest, "fastest", lambda onnx, devices, precision: Device.OPENVINO)
    config = ScreeningConfig(inference=InferenceConfig(detector=Device.AUTO))
    whole = WorkerSettings(bundle=bundle, config=config, manual_rois=None, root=None, out=Path("out"))
    assert whole.on_devices().of_one(2).config.inference.detector is Device.OPENVINO
