"""A node under `kill -9` with a PACS that is down a third of the time, and its memory over many associations.

    python benchmarks/node_kills.py --studies 200 --kills 20 --associations 2000

Needs Orthanc and dcmtk (apt-get install dcmtk orthanc orthanc-dicomweb) and the extras `node` and `test`. Screening is
that of `tests/pipeline/node/stub.py`: no models, one Secondary Capture a study; with --models that of `process`, with
report, captures and presentation states, and reports are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SECONDS_BETWEEN_STUDIES = 0.3
UP_SECONDS, DOWN_SECONDS = 8.0, 4.0
SHARES = (0.05, 0.25, 0.5, 0.75, 1.0)
"""Parts of the associations after which memory is read."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--associations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", action="store_true", help="screen with the shipped weights")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures: dict[str, object] = {}
        if given.studies:
            figures["kills"] = killed(Path(folder) / "kills", given.studies, given.kills, given.seed, given.models)
        if given.associations:
            figures["memory"] = memory(Path(folder) / "memory", given.associations)
    print(json.dumps(figures, indent=1))


def killed(folder: Path, studies: int, kills: int, seed: int, models: bool) -> dict[str, object]:
    """Studies sent while node, worker and sender are killed and the PACS comes and goes; what arrived."""
    from tests.pipeline.node.peers import REAL, STUB, Orthanc, films, node, orthanc, wait_for

    pace, done, down = random.Random(seed), threading.Event(), [0.0]
    folder.mkdir()

    def come_and_go(pacs: Orthanc) -> None:
        while not done.wait(UP_SECONDS):
            begun = time.monotonic()
            pacs.stop()
            done.wait(DOWN_SECONDS)
            pacs.start()
            down[0] += time.monotonic() - begun

    victims = {"node": 0, "worker or sender": 0}
    refused = 0
    begun = time.monotonic()
    times = set(pace.sample(range(studies), min(kills, studies)))
    settings: dict[str, object] = {"quiet_seconds": 4.0, "attempts": 100, "retention__every_seconds": 5.0}
    with orthanc(folder / "pacs") as pacs, node(folder / "n", pacs, REAL if models else STUB, **settings) as running:
        coming = threading.Thread(target=come_and_go, args=(pacs,))
        coming.start()
        uids = []
        for number in range(studies):
            uid, paths = films(folder / "films", number)
            uids.append(uid)
            killing = threading.Timer(pace.uniform(0, 0.5), lambda: None)
            if number in times:
                killing = threading.Timer(pace.uniform(0, 0.5), kill_one, (running, pace, victims))
            killing.start()
            for path in paths:
                while running.store([path]) != 0:
                    refused += 1
                    time.sleep(0.2)
                path.unlink()
            killing.join()
            time.sleep(SECONDS_BETWEEN_STUDIES)
        received = time.monotonic() - begun
        done.set()
        coming.join()
        wait_for(lambda: running.states()["sent"] == studies, 600, "all studies are sent")
        seconds = time.monotonic() - begun
        kind = "SR" if models else "OT"
        found = [len(pacs.found(uid).get(kind, [])) for uid in uids]
        objects = [sum(len(instances) for instances in pacs.found(uid).values()) for uid in uids]
        logged = [word for word in ("SECRET", "1.2.826.0.1.3680043") if word in running.log]
        left = [path.name for path in (folder / "n" / "node" / "incoming").iterdir()]
        counters = metrics(running.http_port)
    return {
        "studies": studies,
        "kills": victims,
        "pacs_down_share": round(down[0] / received, 2),
        "stores_refused_and_repeated": refused,
        "one_result": found.count(1),
        "lost": found.count(0),
        "twice": sum(n > 1 for n in found),
        "objects_of_a_study": sorted(set(objects)),
        "seconds": round(seconds, 1),
        "tries_at_an_unreachable_pacs": counters["osteolens_unreachable_total"],
        "half_received_files_left": len(left),
        "identifiers_in_logs": logged,
    }


def kill_one(running: object, pace: random.Random, victims: dict[str, int]) -> None:
    """`kill -9` of the node, which is started again, or of one of its processes, which the node starts again."""
    from tests.pipeline.node.peers import Node, children_of

    assert isinstance(running, Node) and running.process is not None
    children = children_of(running.process.pid)
    if children and pace.random() < 0.5:
        victims["worker or sender"] += 1
        os.kill(pace.choice(children), signal.SIGKILL)
    else:
        victims["node"] += 1
        running.kill()
        running.start()


def memory(folder: Path, associations: int) -> dict[str, object]:
    """Memory of the receiving process over many associations, each of which stores a film."""
    import pydicom

    from tests.pipeline.node.peers import films, node

    folder.mkdir()
    small = []
    for number in range(20):
        path = films(folder / "films", number)[1][0]
        film = pydicom.dcmread(path)
        film.Rows, film.Columns, film.PixelData = 64, 64, film.PixelData[: 64 * 64 * film.BitsAllocated // 8]
        film.save_as(path)
        small.append(path)
    at = {max(1, round(share * associations)) for share in SHARES}
    read: dict[int, float] = {}
    begun = time.monotonic()
    with node(folder / "n", quiet_seconds=30.0) as running:
        for number in range(1, associations + 1):
            if running.store([small[number % len(small)]]) != 0:
                raise SystemExit(f"association {number} failed")
            if number in at:
                read[number] = round(metrics(running.http_port)["osteolens_resident_memory_bytes"] / 2**20, 1)
    return {"mib_after_associations": read, "seconds": round(time.monotonic() - begun, 1)}


def metrics(port: int) -> dict[str, float]:
    """Values of /metrics without labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(\w+) (\S+)$", text, re.M)}


if __name__ == "__main__":
    main()
