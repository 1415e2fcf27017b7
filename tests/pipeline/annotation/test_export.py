"""Results of a screening go to a labelling tool and come back to the films that were screened."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cli.main import app
from cohort.exporters.write import LabelFormat
from cohort.io.annotations import read_readings, read_rois
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.spine import View
from osteolens.errors import ConfigError, ReadError
from pipeline.annotation.export import export_results
from pipeline.prediction import read_prediction
from pipeline.screening.screener import Screener
from tests import EXAMPLES

runner = CliRunner()


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of DICOM, one of whose films is stored upside down."""
    import pydicom

    folder = tmp_path_factory.mktemp("films")
    for name in ("AP", "LATERAL"):
        dataset = pydicom.dcmread(EXAMPLES / "SIM0011-00003" / f"{name}.dcm")
        if name == "AP":
            dataset.PixelData = dataset.pixel_array[::-1, ::-1].tobytes()
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
            dataset["PixelData"].is_undefined_length = False
            dataset.PatientOrientation = ["R", "H"]
        dataset.save_as(folder / f"{name}.dcm")
    return folder


@pytest.fixture(scope="module")
def results(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("results")
    done = runner.invoke(app, ["process", str(films), "--out", str(out), "-q"])
    assert done.exit_code == 0, done.output
    return out


@pytest.mark.parametrize("label_format", list(LabelFormat))
def test_there_and_back_within_half_a_pixel(
    results: Path, films: Path, tmp_path: Path, label_format: LabelFormat
) -> None:
    command = ["cohort", "export", str(results), str(tmp_path / "dest"), "--format", label_format.value]
    done = runner.invoke(app, [*command, "--images", str(films)])
    assert done.exit_code == 0 and "results hold boxes alone" in done.stderr, done.output
    back = ["cohort", "import", label_format.value, str(tmp_path / "dest"), str(tmp_path / "back")]
    done = runner.invoke(app, [*back, "--images", str(films), "--reader", "dr-x", "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["images"] == 2, done.output
    (path,) = (results / "studies").glob("*.json")
    prediction = read_prediction(path)
    rois = read_readings(tmp_path / "back" / "readers.csv")["dr-x"]
    assert rois == read_rois(tmp_path / "back" / "rois.csv")
    for view in View:
        result = prediction.views[view].detection
        wanted = {b.level: c.corners for b in result.boxes if (c := b.clipped(result.image_shape)) is not None}
        found = {box.level: box.corners for box in rois[prediction.study_uid, view]}
        assert found.keys() == wanted.keys()
        for level, corners in found.items():
            assert corners == pytest.approx(wanted[level], abs=0.02)
    (study,) = index_cohort(tmp_path / "back").studies
    assert study.ap is not None and study.ap.read_bytes() == (films / "AP.dcm").read_bytes(), (
        "the film, not its picture"
    )


def test_the_picture_is_the_film_upright_in_eight_bits(results: Path, films: Path, tmp_path: Path) -> None:
    export_results(results, tmp_path / "dest", LabelFormat.COCO, films)
    (path,) = (tmp_path / "dest" / "images").glob("*_AP.png")
    with Image.open(path) as image:
        assert image.mode == "L"
        shown = np.asarray(image)
    assert shown == pytest.approx(255 * read_radiograph(films / "AP.dcm").pixels, abs=0.51)
    assert not list((tmp_path / "dest").glob("*.jpg"))


def test_outlines_are_drawn_into_the_boxes(results: Path, films: Path, tmp_path: Path, screener: Screener) -> None:
    report = export_results(results, tmp_path / "dest", LabelFormat.LABELME, films, screener)
    assert report.outlines >= 8
    with pytest.raises(ConfigError, match="yolo has one kind of label"):
        export_results(results, tmp_path / "yolo", LabelFormat.YOLO, films, screener)


def test_a_film_that_has_changed_is_left_out_by_name(results: Path, films: Path, tmp_path: Path) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "AP.dcm").write_bytes((films / "AP.dcm").read_bytes())
    (tmp_path / "films" / "LATERAL.dcm").write_bytes(b"changed")
    report = export_results(results, tmp_path / "dest", LabelFormat.LABELME, tmp_path / "films")
    assert report.images == 1 and "has changed since it was screened" in report.left_out[0]
    (tmp_path / "films" / "AP.dcm").unlink()
    with pytest.raises(ReadError, match="no image with a box"):
        export_results(results, tmp_path / "none", LabelFormat.LABELME, tmp_path / "films")
    assert not (tmp_path / "none").exists()


def test_no_results_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="expected an output folder"):
        export_results(tmp_path, tmp_path / "dest", LabelFormat.LABELME)
