"""Images are those that were screened, lie in the folder, and take no more memory than they may."""

from __future__ import annotations

import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cohort.io.radiograph import read_radiograph
from cohort.spine import View
from cohort.study import Radiograph
from osteolens.errors import ReadError
from pipeline.review import images
from pipeline.review.images import ImageStore, ShownImage, inside, radiograph_of, shown_image
from pipeline.review.summaries import ImagePlace
from tests.pipeline.review.pages import open_page


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * 4096


@pytest.mark.parametrize("path", ["../secret.dcm", "a/../../secret.dcm", "/etc/passwd", "/"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "secret.dcm").write_bytes(b"x")
    assert inside(tmp_path / "images", path) is None
    with pytest.raises(ReadError, match="not found"):
        ImageStore([tmp_path / "images"], tmp_path).image(ImagePlace(path, 64 * "0"))


def test_an_absolute_path_within_the_folder_is_taken(tmp_path: Path) -> None:
    assert inside(tmp_path, str(tmp_path / "a.dcm")) == tmp_path / "a.dcm"


def test_an_image_that_changed_since_is_not_shown(results: Path, examples: Path, tmp_path: Path) -> None:
    changed = examples / "SIM0011-00002" / "AP.dcm"
    shutil.copy(examples / "SIM0011-00003" / "AP.dcm", changed)
    store = ImageStore([examples], tmp_path / "thumbnails")
    with open_page(results) as page:
        entries = page.review.worklist.entries.values()
    places = [place for entry in entries for place in entry.images.values()]
    (place,) = [place for place in places if place.path == "SIM0011-00002/AP.dcm"]
    with pytest.raises(ReadError, match="changed since it was screened"):
        store.image(place)
    changed.unlink()
    with pytest.raises(ReadError, match="give the folder that was screened by --images"):
        store.image(place)


def test_a_study_whose_images_are_gone_still_has_its_result(results: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with open_page(results, cohort=None) as page:
        object.__setattr__(page.review, "store", ImageStore([tmp_path / "empty"], tmp_path))
        study = page.get(f"/api/study/{page.uids[0]}")
        assert study["prediction"]["probabilities"] and "not found" in study["views"]["AP"]["problem"]
        assert page.client.get(f"/api/study/{page.uids[0]}/AP/image").status_code == 422


def test_thumbnails_leave_the_cache_to_studies(results: Path) -> None:
    with open_page(results) as page:
        for uid in page.uids:
            assert page.client.get(f"/api/study/{uid}/AP/thumb").status_code == 200
        assert page.review.store.bytes_kept == 0


def test_thumbnails_are_read_by_one_thread_whoever_asks(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_by: list[int] = []

    def noted(path: Path) -> Radiograph:
        read_by.append(threading.get_ident())
        return radiograph_of(path)

    monkeypatch.setattr(images, "radiograph_of", noted)
    with open_page(results) as page, ThreadPoolExecutor(4) as askers:
        places = [entry.images[View.AP] for entry in page.review.worklist.entries.values()][:4]
        together = threading.Barrier(len(places))
        list(askers.map(lambda place: (together.wait(), page.review.store.thumbnail(place)), places))
    assert len(read_by) == len(places) and len(set(read_by)) == 1


def test_the_least_recently_used_image_goes_first(results: Path) -> None:
    with open_page(results) as page:
        places = [entry.images[View.AP] for entry in page.review.worklist.entries.values()]
        full = page.review.store
        store = ImageStore(full._folders, results, most_bytes=2 * max(full.image(place).size for place in places))
        kept = store.image(places[0])
        for place in places[1:]:
            store.image(place)
            assert store.image(places[0]) is kept
        assert store.bytes_kept <= store._most_bytes
        for place in places[1:4]:
            store.image(place)
        assert store.image(places[0]) is not kept


def test_memory_is_flat_over_many_requests(results: Path) -> None:
    with open_page(results) as page:
        small = ImageStore(page.review.store._folders, results / "review" / "thumbnails", most_bytes=2 * 2**20)
        object.__setattr__(page.review, "store", small)
        page.review.classifier._screener.result()
        paths = [f"/api/study/{uid}/{view}/image" for uid in page.uids for view in ("AP", "LATERAL")]
        places = [place for entry in page.review.worklist.entries.values() for place in entry.images.values()]
        leaked = 400 * sum(small.image(place).size for place in places) / len(places)
        for path in paths * 2:
            assert page.client.get(path).status_code == 200
        before = resident_bytes()
        for number in range(400):
            page.client.get(paths[number % len(paths)])
        assert small.bytes_kept <= 2 * 2**20
        assert leaked > 200 * 2**20 and resident_bytes() - before < leaked / 2


def test_an_image_that_is_asked_for_at_once_is_read_once(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Barrier(4)
    read: list[Path] = []

    def slow(path: Path) -> ShownImage:
        read.append(path)
        time.sleep(0.2)
        return shown_image(path)

    with open_page(results) as page:
        place = next(iter(page.review.worklist.entries.values())).images[View.AP]
        store = ImageStore(page.review.store._folders, tmp_path)

    def ask(_: int) -> ShownImage:
        asked.wait()
        return store.image(place)

    monkeypatch.setattr(images, "shown_image", lambda path, with_radiograph: slow(path))
    with ThreadPoolExecutor(4) as pool:
        images_shown = list(pool.map(ask, range(4)))
    assert len(read) == 1 and all(image is images_shown[0] for image in images_shown)


def test_what_models_take_is_read_when_they_need_it(results: Path, tmp_path: Path) -> None:
    with open_page(results) as page:
        place = next(iter(page.review.worklist.entries.values())).images[View.AP]
        store = ImageStore(page.review.store._folders, tmp_path)
        image = store.image(place)
        assert image.radiograph is None and store.bytes_kept == image.cells.nbytes
        radiograph = store.radiograph(place)
        path = store.path_of(place)
        assert np.array_equal(radiograph.pixels, read_radiograph(path).pixels) and radiograph.full_range is None
        assert store.radiograph(place) is radiograph
        assert store.bytes_kept == image.cells.nbytes + radiograph.pixels.nbytes
