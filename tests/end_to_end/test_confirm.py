"""From the command line: bodies without levels get names of the detector, and a reader confirms these in the page."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cohort.io.annotations import read_readings, read_rois
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.spine import LEVELS, View
from osteolens.errors import ReadError
from pipeline.training.cohorts import eligible_studies
from pipeline.training.run import TrainingOptions
from tests import EXAMPLES
from tests.end_to_end.test_review import PROGRAM, boxes_of, check_rois, served

PATIENTS = ("SIM0011-00003", "SIM0011-00006")


def command(*words: object) -> Any:
    """What a command prints as JSON."""
    given = [*PROGRAM, *map(str, words), "--json", "--quiet"]
    return json.loads(subprocess.run(given, check=True, capture_output=True, timeout=300).stdout)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of two patients with bodies drawn as one class, imported with the levels that the detector proposes."""
    folder = tmp_path_factory.mktemp("confirm")
    source = folder / "in"
    for part in ("images", "labels"):
        (source / part).mkdir(parents=True)
    uids = {study.patient_id: study.study_uid for study in index_cohort(EXAMPLES).studies}
    rois = read_rois(EXAMPLES / "rois.csv")
    for patient in PATIENTS:
        pixels = read_radiograph(EXAMPLES / patient / "AP.dcm").pixels
        film = Image.fromarray(np.round(pixels * 255).astype(np.uint8))
        film.save(source / "images" / f"{patient}_AP.png")
        size = np.array([film.width, film.height] * 2)
        boxes = [np.array(box.corners) / size for box in rois[uids[patient], View.AP]]
        lines = [f"0 {(a + c) / 2} {(b + d) / 2} {c - a} {d - b}" for a, b, c, d in boxes]
        (source / "labels" / f"{patient}_AP.txt").write_text("\n".join(lines))
    (source / "data.yaml").write_text("names: [vertebra]\n")
    told = command("cohort", "import", "yolo", source, folder / "cohort", "--levels", "from-detector")
    assert told["rois"] == 0 and told["to_confirm"] >= 8
    return folder / "cohort"


def test_levels_that_a_reader_confirms_in_the_page_are_trained_on(cohort: Path, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="wait for a reader"):
        eligible_studies(cohort, TrainingOptions())
    proposed = read_rois(cohort / "rois-to-confirm.csv")
    results = tmp_path / "results"
    command("process", cohort, "--manual-rois", cohort / "rois-to-confirm.csv", "--out", results)
    first, second = (uid for uid, _ in proposed)
    views: dict[str, dict[str, Any]] = {}
    with served(str(results), str(cohort), "--reader", "anna") as page:
        listed = [one["study_uid"] for one in page.get("api/worklist")["studies"]]
        assert sorted(listed) == sorted((first, second))
        for uid in (first, second):
            boxes = boxes_of(page.get(f"api/study/{uid}"), "AP")
            assert [box["level"] for box in boxes] == [box.level for box in proposed[uid, View.AP]]
            if uid == second:  # one body higher than the detector said
                boxes = [{**box, "level": LEVELS[LEVELS.index(box["level"]) - 1]} for box in boxes]
            views[uid] = {"AP": {"boxes": boxes}}
        page.post(f"api/study/{first}/corrections", {"views": views[first], "seconds": 5})
    export = ("review", results, "--reader", "anna", "--export")
    command(*export, tmp_path / "one")
    told = command("cohort", "confirm", cohort, tmp_path / "one" / "rois.csv", "--reader", "anna")
    assert (told["images"], told["changed"], told["waiting"]) == (1, 0, 1)
    assert {uid for uid, _ in read_rois(cohort / "rois.csv")} == {first}
    with served(str(results), str(cohort), "--reader", "anna") as page:
        page.post(f"api/study/{second}/corrections", {"views": views[second], "seconds": 9})
    command(*export, tmp_path / "both")
    told = command("cohort", "confirm", cohort, tmp_path / "both" / "readers.csv", "--reader", "anna")
    assert (told["images"], told["changed"], told["waiting"]) == (1, len(views[second]["AP"]["boxes"]), 0)
    assert not (cohort / "rois-to-confirm.csv").exists()
    trained_on = eligible_studies(cohort, TrainingOptions()).rois
    for uid, sent in views.items():
        check_rois(trained_on, uid, sent)
    assert read_readings(cohort / "readers.csv") == {"anna": read_rois(cohort / "rois.csv")}
