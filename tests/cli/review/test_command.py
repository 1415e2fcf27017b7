"""The command prints a link that opens the page, and holds a reader's file until a signal ends it."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from pipeline.bundle.load import Bundle
from pipeline.review.readings.corrections import PredictionsShown
from pipeline.screening.folder import ScreeningOptions, screen_folder

COMMAND = (sys.executable, "-m", "cli.main", "review")


@pytest.fixture
def out(examples: Path, tmp_path: Path, bundle: Bundle) -> Path:
    for study in sorted(examples.glob("SIM*"))[1:]:
        shutil.rmtree(study)
    screen_folder(examples, tmp_path / "out", bundle, ScreeningOptions())
    return tmp_path / "out"


def test_the_link_opens_the_page_and_a_second_server_is_refused(out: Path) -> None:
    with subprocess.Popen([*COMMAND, str(out), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        assert server.stdout is not None and server.stderr is not None
        try:
            lines = b""
            while not lines.rstrip().endswith(b"}"):
                lines += server.stdout.readline()
            told = json.loads(lines)
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", told["link"])
            assert (told["studies"], told["reviewed"]) == (1, 0)
            browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
            assert b"<!doctype html>" in browser.open(told["link"]).read().lower()
            base = told["link"].partition("?")[0]
            (row,) = json.loads(browser.open(f"{base}api/worklist").read())["studies"]
            study = json.loads(browser.open(f"{base}api/study/{row['study_uid']}").read())
            assert study["views"]["AP"]["problem"] is None, "run.json tells where the images are"
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"{base}api/worklist")
            second = CliRunner().invoke(app, ["review", str(out)])
            assert second.exit_code == 1 and "another server writes for the reader" in second.stderr
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        assert b"Traceback" not in server.stderr.read()


def test_without_the_extra_the_command_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osteolens.extras._is_installed", lambda package: package != "fastapi")
    result = CliRunner().invoke(app, ["review", str(tmp_path)])
    assert result.exit_code == 1
    assert "review needs the package fastapi" in result.stderr
    assert "pip install 'osteolens[review]'" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--reader", "../anna"], "reader is '../anna'"),
        (["--images", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_what_does_not_fit_is_told(out: Path, options: list[str], words: str) -> None:
    result = CliRunner().invoke(app, ["review", str(out), *options])
    assert result.exit_code == 1 and words in result.stderr


def test_a_folder_without_results_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["review", str(tmp_path)])
    assert result.exit_code == 1 and "expected an output folder of `osteolens process`" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_reader_who_was_shown_predictions_reads_blind_only_when_told(out: Path, tmp_path: Path) -> None:
    shown = PredictionsShown(time="2026-03-01T10:00:00+00:00", reader="anna", round=1).model_dump_json()
    (out / "review").mkdir()
    (out / "review" / "anna.jsonl").write_text(f"{shown}\n", "utf-8")
    arguments = ["review", str(out), "--reader", "anna", "--reader-study", "--export", str(tmp_path / "export")]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code != 0 and "were shown to anna on 2026-03-01" in refused.stderr
    assert not (tmp_path / "export").exists()
    told = CliRunner().invoke(app, [*arguments, "--allow-unblinded"])
    assert told.exit_code == 0 and "marked as predictions_shown_before" in told.stderr


def test_an_export_without_the_extra_dicom_says_that_reports_are_missing(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("osteolens.extras._is_installed", lambda package: package != "highdicom")
    result = CliRunner().invoke(app, ["review", str(out), "--export", str(tmp_path / "export")])
    assert result.exit_code == 0 and result.stdout.strip() == str(tmp_path / "export")
    assert "no DICOM reports: they need the extra 'dicom'" in result.stderr
    names = sorted(path.name for path in (tmp_path / "export").iterdir())
    assert names == ["corrected.json", "findings.csv", "readers.csv", "rois.csv"]


def test_an_export_into_a_cohort_tells_its_own_tables_alone(out: Path, tmp_path: Path) -> None:
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort" / "cohort.csv").write_text("patient_id\n", "utf-8")
    result = CliRunner().invoke(app, ["review", str(out), "--export", str(tmp_path / "cohort"), "--json"])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["tables"] == ["corrected.json", "findings.csv", "readers.csv", "rois.csv"]
