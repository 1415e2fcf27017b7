"""The layer of where the classifier looked: what one stored picture has beyond the other."""

from __future__ import annotations

import io
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from cohort.spine import SpineDetection, VertebraBox, VertebralLevel, View
from osteolens.errors import ReadError
from pipeline.review.heat import heat_layer
from pipeline.screening.output.overlay import overlay_png
from tests.pipeline.review.pages import ORIGIN, Page, drawn, open_page
from tests.predictions import screened, view_result


def pictures(out: Path, plain: npt.NDArray[np.uint8], explained: npt.NDArray[np.uint8]) -> None:
    (out / "overlays").mkdir(parents=True)
    Image.fromarray(plain).save(out / "overlays" / "s1_AP.png")
    Image.fromarray(explained).save(out / "overlays" / "s1_AP_explained.png")


def test_the_layer_holds_the_map_alone(tmp_path: Path) -> None:
    plain = np.full((120, 80, 3), 90, np.uint8)
    plain[10:20, 10:20] = (255, 255, 0)  # a box stands on both
    explained = plain.copy()
    explained[40:60, 30:50] = (230, 60, 20)
    pictures(tmp_path, plain, explained)
    raw = heat_layer(tmp_path, "s1", View.AP, (200, 160))
    assert raw is not None
    layer = np.asarray(Image.open(io.BytesIO(raw)))
    assert layer.shape == (100, 80, 4), "without the band of text below the image"
    seen = layer[..., 3] > 0
    assert seen[40:60, 30:50].all() and seen.sum() == 400
    assert tuple(layer[50, 40]) == (230, 60, 20, 255)


def test_the_layer_of_a_narrow_radiograph_lies_on_it(tmp_path: Path) -> None:
    boxes = (VertebraBox(VertebralLevel.L1, 2.0, 60.0, 38.0, 110.0),)
    view = replace(view_result(), detection=SpineDetection(View.AP, boxes, (400, 40)))
    prediction = replace(screened("s1", -1.0), views={View.AP: view})
    grey, heat = np.full((400, 40), 0.5, np.float32), np.zeros((400, 40), np.float32)
    heat[300:320, 10:20] = 1
    (tmp_path / "overlays").mkdir()
    for name, hot in (("s1_AP", None), ("s1_AP_explained", heat)):
        (tmp_path / "overlays" / f"{name}.png").write_bytes(overlay_png(prediction, View.AP, grey, 400, heat=hot))
    raw = heat_layer(tmp_path, "s1", View.AP, (400, 40))
    assert raw is not None
    layer = np.asarray(Image.open(io.BytesIO(raw)))
    assert layer.shape == (400, 40, 4)
    rows, columns = np.nonzero(layer[..., 3])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (300, 319, 10, 19)


def test_a_study_without_the_picture_has_no_layer(results: Path) -> None:
    assert heat_layer(results, "s1", View.AP, (200, 160)) is None
    with open_page(results) as page:
        answer = page.client.get(f"/api/study/{page.uids[0]}/AP/heat")
        assert (answer.status_code, answer.content) == (204, b"")


def test_pictures_of_two_sizes_are_none(tmp_path: Path) -> None:
    pictures(tmp_path, np.zeros((100, 80, 3), np.uint8), np.zeros((90, 80, 3), np.uint8))
    with pytest.raises(ReadError, match="differ in size"):
        heat_layer(tmp_path, "s1", View.AP, (200, 160))


def layers(page: Page, uid: str, views: Any) -> dict[str, npt.NDArray[np.uint8]]:
    given = page.post(f"/api/study/{uid}/heat", {"views": views})["views"]
    return {view: np.asarray(Image.open(io.BytesIO(b64decode(layer)))) for view, layer in given.items()}


def test_the_layer_is_made_anew_for_moved_boxes(results: Path) -> None:
    pytest.importorskip("captum")
    with open_page(results) as page:
        uid = page.uids[0]
        study = page.get(f"/api/study/{uid}")
        views = drawn(study)
        first = layers(page, uid, views)
        for box in views["AP"]["boxes"]:
            box.update(x0=box["x0"] + 40, x1=box["x1"] + 40)
        second = layers(page, uid, views)
    for view, shown in study["views"].items():
        rows, columns, _ = first[view].shape
        assert rows / columns == pytest.approx(shown["rows"] / shown["columns"], abs=0.01) and first[view][..., 3].any()
    hot = [np.flatnonzero(layer["AP"][..., 3].any(axis=0)).min() for layer in (first, second)]
    assert hot[1] > hot[0] and not np.array_equal(first["AP"], second["AP"])


def test_without_torch_the_extra_is_named(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("osteolens.extras._is_installed", lambda package: package not in ("torch", "captum"))
    with open_page(results) as page:
        uid = page.uids[0]
        views = drawn(page.get(f"/api/study/{uid}"))
        answer = page.client.post(f"/api/study/{uid}/heat", json={"views": views}, headers=ORIGIN)
    assert answer.status_code == 422 and "osteolens[train]" in answer.json()["error"]
