"""How long the page of `osteolens review` takes: worklist of many studies, and studies opened with large films.

Usage: python benchmarks/review_page.py [--studies 5000] [--films 20] [--rows 3000] [--columns 2500]
Prints JSON. Results of the six examples are copied under new identifiers; films are enlarged, each study has its own.
Needs the extra `review`, playwright and Debian's chromium.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydicom

from cohort.io.folder import index_cohort
from osteolens.shipped import shipped_examples
from pipeline.screening.folder import screen_folder

LINK = re.compile(r"http://\S+token=\S+")


def main() -> None:
    """Make the studies, start the server, and open them in a browser."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=5000)
    parser.add_argument("--films", type=int, default=20, help="studies with films of their own, which are opened")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--columns", type=int, default=2500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images, out = Path(folder) / "images", Path(folder) / "out"
        _enlarged(images, options.rows, options.columns)
        screen_folder(index_cohort(images), out)
        own = _copied(images, out, options.studies, min(options.films, options.studies))
        print(json.dumps(_measured(out, own), indent=1))


def _enlarged(images: Path, rows: int, columns: int) -> None:
    """The examples with larger films, their spacing smaller by as much."""
    for path in sorted(Path(str(shipped_examples())).glob("*/*.dcm")):
        dataset = pydicom.dcmread(path)
        pixels = dataset.pixel_array
        scale = min(rows / pixels.shape[0], columns / pixels.shape[1])
        large = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR).astype(pixels.dtype)
        dataset.decompress()
        dataset.Rows, dataset.Columns = large.shape
        dataset.PixelData = large.tobytes()
        for name in ("PixelSpacing", "ImagerPixelSpacing"):
            if name in dataset:
                dataset[name].value = [float(value) / scale for value in dataset[name].value]
        (images / path.parent.name).mkdir(parents=True, exist_ok=True)
        dataset.save_as(images / path.parent.name / path.name)


def _copied(images: Path, out: Path, count: int, own: int) -> list[str]:
    """Results under new identifiers; the first ones have films of their own. Identifiers of these."""
    first = [json.loads(path.read_text("utf-8")) for path in sorted((out / "studies").glob("*.json"))]
    shutil.rmtree(out / "studies")
    (out / "studies").mkdir()
    uids = []
    for number in range(count):
        document = json.loads(json.dumps(first[number % len(first)]))
        document["study_uid"] = f"2.25.{10**12 + number}"
        document["patient_id"] = f"P{number:05d}"
        if number < own:
            _give_films(document, images, number)
            uids.append(str(document["study_uid"]))
        (out / "studies" / f"{document['study_uid']}.json").write_text(json.dumps(document), "utf-8")
    return uids


def _give_films(document: dict[str, Any], images: Path, number: int) -> None:
    """Copies of a result's films in which one pixel differs."""
    for image in document["images"]:
        dataset = pydicom.dcmread(images / image["path"])
        pixels = np.frombuffer(dataset.PixelData, np.uint16).copy()
        pixels[number] ^= 1
        dataset.PixelData = pixels.tobytes()
        name = f"own-{number}/{Path(image['path']).name}"
        (images / name).parent.mkdir(exist_ok=True)
        dataset.save_as(images / name)
        image["path"], image["sha256"] = name, hashlib.sha256((images / name).read_bytes()).hexdigest()


def _measured(out: Path, uids: list[str]) -> dict[str, object]:
    """Seconds and memory of a server and a browser."""
    from playwright.sync_api import sync_playwright

    begun = time.perf_counter()
    command = [sys.executable, "-m", "cli.main", "review", str(out), "--reader", "bench"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        link = _link(server)
        listening = time.perf_counter() - begun
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.set_default_timeout(60_000)
            begun = time.perf_counter()
            page.goto(link)
            page.wait_for_selector(".rows .row")
            worklist, memory = time.perf_counter() - begun, [_rss_mb(server.pid)]
            cold = [_opened(page, link, uid, memory, server.pid) for uid in uids]
            again = [_opened(page, link, uid, memory, server.pid) for uid in uids[-3:]]
            browser.close()
    finally:
        server.terminate()
        server.wait(30)
    return {
        "server_listens_s": round(listening, 2),
        "worklist_on_screen_s": round(worklist, 2),
        "study_opened_for_the_first_time_s": _spread(cold),
        "study_opened_again_s": _spread(again),
        "server_memory_mb": {"start": memory[0], "after_studies": memory[len(uids)], "end": memory[-1]},
    }


def _opened(page: Any, link: str, uid: str, memory: list[float], pid: int) -> float:
    """Seconds from the click on a study to both films drawn."""
    page.goto(link)
    page.wait_for_selector(".rows .row")
    page.get_by_role("searchbox").fill(uid)
    row = page.locator(f".row[data-uid='{uid}']")
    row.wait_for()
    page.wait_for_load_state("networkidle")
    begun = time.perf_counter()
    row.click()
    page.wait_for_selector(".pane[data-ready] >> nth=1")
    seconds = time.perf_counter() - begun
    memory.append(_rss_mb(pid))
    return seconds


def _link(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    for line in server.stdout:
        if (found := LINK.search(line)) is not None:
            return found.group(0)
    raise SystemExit("the server ended without a link")


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return round(pages * 4096 / 2**20, 0)


def _spread(seconds: list[float]) -> dict[str, float]:
    return {
        "median": round(float(np.median(seconds)), 3),
        "least": round(min(seconds), 3),
        "most": round(max(seconds), 3),
    }


if __name__ == "__main__":
    main()
