"""Resources lie beside the results, follow them, and need an extra."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from osteolens.errors import MissingExtra
from pipeline.bundle.load import Bundle
from pipeline.fhir.write import remove_resources, require_fhir, resources_path, write_resources
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.folder import ScreeningOptions, screen_folder
from tests import EXAMPLES
from tests.pipeline.fhir.test_bundle import rejected, screened

WITH_FHIR = ScreeningOptions(config=ScreeningConfig(fhir=True))
PATIENT = "SIM0011-00003"


def test_a_failed_study_removes_what_an_earlier_result_said(tmp_path: Path) -> None:
    path = resources_path(screened().study_uid, tmp_path)
    assert write_resources(screened(), tmp_path)
    assert json.loads(path.read_text("utf-8"))["resourceType"] == "Bundle"
    assert not write_resources(replace(rejected(), rejection=None, failure="x"), tmp_path)
    assert not path.exists()
    remove_resources(screened().study_uid, tmp_path)


def test_a_run_writes_them_keeps_them_and_takes_them_away(bundle: Bundle, tmp_path: Path) -> None:
    out = tmp_path / "out"
    screen_folder(EXAMPLES / PATIENT, out, bundle)
    assert not (out / "fhir").exists()
    summary = screen_folder(EXAMPLES / PATIENT, out, bundle, WITH_FHIR)
    assert (summary.resumed, summary.without_objects) == (1, {})
    (path,) = (out / "fhir").iterdir()
    assert path.stem == next((out / "studies").iterdir()).stem
    before = path.stat().st_mtime_ns
    screen_folder(EXAMPLES / PATIENT, out, bundle, WITH_FHIR)
    assert path.stat().st_mtime_ns == before
    assert json.loads((out / "run.json").read_text("utf-8"))["fhir"] == {"studies": 1, "not_made": {}}
    screen_folder(EXAMPLES / PATIENT, out, bundle, ScreeningOptions(resume=False))
    assert not path.exists()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osteolens.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"process --fhir needs the package fhir.resources.*osteolens\[fhir\]"):
        require_fhir()
