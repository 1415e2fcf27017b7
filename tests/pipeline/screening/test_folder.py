"""Runs over a folder: what a rerun keeps, what ends a run and how, and files that would end one."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate

from cohort.io.folder import index_cohort
from cohort.io.walk import MARKER
from osteolens.errors import OutputError
from pipeline.bundle.load import Bundle
from pipeline.evaluation.studies.results import load_predictions
from pipeline.prediction.parts import Status
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.folder import RunSummary, ScreeningOptions, screen_folder
from pipeline.screening.output.run_record import locked
from pipeline.screening.radiograph_reader import RadiographReader
from tests import EXAMPLES

ONE, OTHER = "SIM0011-00003", "SIM0011-00005"


def run(source: Path, out: Path, bundle: Bundle) -> RunSummary:
    return screen_folder(index_cohort(source, exclude=out), out, bundle)


def film(patient: str, view: str) -> bytes:
    return (EXAMPLES / patient / f"{view}.dcm").read_bytes()


def test_a_rerun_reads_what_arrived_or_changed(bundle: Bundle, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "AP.dcm").write_bytes(film(ONE, "AP"))
    first = run(source, out, bundle)
    assert first.rows[0].views == "AP"
    (source / "LATERAL.dcm").write_bytes(film(ONE, "LATERAL"))
    second = run(source, out, bundle)
    assert second.resumed == 0 and second.rows[0].views == "AP+LATERAL", "a lateral that arrives later is read"
    assert run(source, out, bundle).resumed == 1
    dataset = pydicom.dcmread(source / "AP.dcm")
    dataset.InstitutionName = "X"
    dataset.save_as(source / "AP.dcm")
    assert run(source, out, bundle).resumed == 0, "other bytes under the same name"
    path = next((out / "studies").glob("*.json"))
    path.write_text(path.read_text("utf-8")[:-20], "utf-8")
    assert run(source, out, bundle).resumed == 0, "a damaged result is not kept"


def test_day_and_system_of_a_kept_result_are_brought_up_to_date(bundle: Bundle, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    (source / "AP.dcm").write_bytes(film(ONE, "AP"))
    run(source, out, bundle)
    (first,) = load_predictions(out)
    assert first.study_date == date(2021, 1, 11) and first.system == pydicom.dcmread(source / "AP.dcm").Manufacturer
    table = f"study_uid,study_date,machine\n{first.study_uid},2020-05-01,Maker One\n"
    (source / "cohort.csv").write_text(table)
    summary = run(source, out, bundle)
    assert summary.resumed == 1, "neither changes the class"
    (second,) = load_predictions(out)
    assert (second.study_date, second.system) == (date(2020, 5, 1), "Maker One")
    assert second.probabilities == first.probabilities and second.views == first.views
    assert run(source, out, bundle).resumed == 1


def test_another_patient_under_the_same_names_is_screened_anew(bundle: Bundle, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for patient in (ONE, OTHER):
        for view in ("AP", "LATERAL"):
            dataset = pydicom.dcmread(EXAMPLES / patient / f"{view}.dcm")
            dataset.StudyInstanceUID = "1.2.3"
            dataset.save_as(source / f"{view}.dcm")
        summary = run(source, out, bundle)
        assert summary.resumed == 0 and summary.rows[0].patient_id == patient


def test_results_of_studies_that_are_gone_are_set_aside(bundle: Bundle, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    for patient in (ONE, OTHER):
        shutil.copytree(EXAMPLES / patient, source / patient)
    run(source, out, bundle)
    shutil.rmtree(source / OTHER)
    assert run(source, out, bundle).resumed == 1
    assert len(list((out / "studies").glob("*.json"))) == 1
    assert len(list((out / "former" / "studies").glob("*.json"))) == 1
    assert len(list((out / "former" / "overlays").glob("*.png"))) == 2
    assert json.loads((out / "run.json").read_text("utf-8"))["counts"]["former_studies"] == 1


def test_pictures_of_a_study_with_a_longer_name_stay(bundle: Bundle, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    for name in ("p1", "p1_2"):
        (source / name).mkdir(parents=True)
        pixels = pydicom.dcmread(EXAMPLES / ONE / "AP.dcm").pixel_array
        Image.fromarray(pixels).save(source / name / "AP.png")
    run(source, out, bundle)
    shutil.rmtree(source / "p1")
    assert run(source, out, bundle).resumed == 1
    assert [path.name for path in (out / "overlays").iterdir()] == ["p1_2_AP.png"]
    assert [path.name for path in (out / "former" / "overlays").iterdir()] == ["p1_AP.png"]


def test_pictures_of_an_earlier_result_of_a_study_do_not_stay(bundle: Bundle, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(EXAMPLES / ONE, source / ONE)
    uid = run(source, out, bundle).rows[0].study_uid
    (out / "overlays" / f"{uid}_AP_explained.png").write_bytes(b"of a run with --explain")
    (source / ONE / "LATERAL.dcm").unlink()
    run(source, out, bundle)
    assert [path.name for path in (out / "overlays").iterdir()] == [f"{uid}_AP.png"]
    dataset = pydicom.dcmread(source / ONE / "AP.dcm")
    dataset.PixelData = encapsulate([b"no image"])
    dataset.save_as(source / ONE / "AP.dcm")
    assert run(source, out, bundle).rows[0].status is Status.FAILED
    assert not list((out / "overlays").iterdir()), "a failed study has no picture of its former files"


def test_a_run_may_draw_no_pictures(bundle: Bundle, tmp_path: Path) -> None:
    options = ScreeningOptions(config=ScreeningConfig(overlays=False))
    summary = screen_folder(index_cohort(EXAMPLES / ONE), tmp_path, bundle, options)
    assert summary.rows[0].status is Status.SCREENED and not list((tmp_path / "overlays").iterdir())
    assert "<img" not in (tmp_path / "report.html").read_text("utf-8")
    assert run(EXAMPLES / ONE, tmp_path, bundle).resumed == 1, "results do not depend on pictures"


def test_results_lie_in_a_marked_folder_and_are_not_screened(bundle: Bundle, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "AP.dcm").write_bytes(film(ONE, "AP"))
    run(source, source / "out", bundle)
    assert (source / "out" / MARKER).is_file()
    index = index_cohort(source, exclude=source / "other")
    assert len(index.studies) == 1
    assert any("earlier run" in item.reason for item in index.skipped)


def test_a_second_run_in_the_same_folder_is_refused_by_name(tmp_path: Path) -> None:
    held = f"with locked(Path({str(tmp_path)!r})): ..."
    script = f"from pathlib import Path\nfrom pipeline.screening.output.run_record import locked\n{held}"
    with locked(tmp_path):
        found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert found.returncode and "another run is writing here" in found.stderr and str(os.getpid()) in found.stderr
    with locked(tmp_path):
        pass


def test_a_full_disk_stops_the_run_with_a_word(bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    shutil.copytree(EXAMPLES / ONE, source / ONE)
    shutil.copytree(EXAMPLES / OTHER, source / OTHER)
    real = Path.replace

    def full(self: Path, target: Path) -> Path:
        if Path(target).suffix == ".json" and Path(target).parent.name == "studies":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"the disk is full .* run the same command to go on"):
        run(source, out, bundle)
    assert not list(out.rglob("*.partial"))
    monkeypatch.setattr(Path, "replace", real)
    assert run(source, out, bundle).count(Status.SCREENED) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_leaves_tables_and_a_state_to_go_on_from(bundle: Bundle, tmp_path: Path, number: int) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    for k in range(6):
        for view in ("AP", "LATERAL"):
            dataset = pydicom.dcmread(EXAMPLES / ONE / f"{view}.dcm")
            dataset.StudyInstanceUID, dataset.PatientID = f"1.2.{k}", f"P{k}"
            (source / f"{k}").mkdir(parents=True, exist_ok=True)
            dataset.save_as(source / f"{k}" / f"{view}.dcm")
    command = [str(Path(sys.executable).parent / "osteolens"), "process", str(source), "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        while not list((out / "studies").glob("[!.]*.json")) and child.poll() is None:
            time.sleep(0.05)
        child.send_signal(number)
        _, said = child.communicate(timeout=60)
    with (out / "predictions.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert (rows or number == signal.SIGKILL) and all(row["status"] == "screened" for row in rows)
    if number != signal.SIGKILL:
        assert child.returncode == 130 and "the same command goes on" in said
        assert json.loads((out / "run.json").read_text("utf-8"))["counts"]["not_reached"] == 6 - len(rows)
    again = run(source, out, bundle)
    assert again.count(Status.SCREENED) == 6 and again.resumed >= max(len(rows), 1) - 1


def test_names_and_identifiers_are_text_everywhere(bundle: Bundle, tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    dataset = pydicom.dcmread(EXAMPLES / ONE / "AP.dcm")
    dataset.PatientID = "=HYPERLINK(1)[/x]\x1b[31m"
    name = os.fsencode(source) + b"/\xd1\xfc\xd7\xb5.dcm"
    dataset.save_as(source / "a.dcm")
    os.rename(source / "a.dcm", name)  # noqa: PTH104
    (source / "note.txt").write_text("x")
    os.rename(source / "note.txt", os.fsencode(source) + b"/\xcb\xb5.txt")  # noqa: PTH104
    command = [str(Path(sys.executable).parent / "osteolens"), "process", str(source), "--out", str(out)]
    found = subprocess.run(command, capture_output=True, check=False)
    assert found.returncode == 0 and b"\x1b" not in found.stdout and b"Traceback" not in found.stderr
    with (out / "predictions.csv").open(encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    assert row["patient_id"].startswith("'=HYPERLINK(1)[/x]") and "\x1b" not in row["patient_id"]
    assert (out / "report.html").is_file() and (out / "run.json").is_file()


def test_a_file_that_takes_too_long_is_stopped_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = EXAMPLES / ONE / "AP.dcm"
    slow = tmp_path / "slow.png"
    Image.effect_noise((9000, 9000), 90).save(slow, compress_level=0)
    with RadiographReader(30) as reader:
        assert reader(good).radiograph is not None
        reader._seconds = 0.05
        stopped = reader(slow)
        assert stopped.radiograph is None and "took more than 0.05 s" in stopped.reason
        reader._seconds = 30
        assert reader(good).radiograph is not None, "another process goes on"


def test_panics_of_decoders_are_reasons(tmp_path: Path) -> None:
    dataset = pydicom.dcmread(EXAMPLES / ONE / "AP.dcm")
    dataset.decompress()
    dataset.compress("1.2.840.10008.1.2.5")
    raw = bytearray(dataset.PixelData)
    raw[90:3000] = b"\x7f" * 2910
    dataset.PixelData = bytes(raw)
    dataset.save_as(tmp_path / "a.dcm")
    with RadiographReader(20) as reader:
        found = reader(tmp_path / "a.dcm")
    assert found.radiograph is not None or "a.dcm" in found.reason
