"""The whole node with real peers: films in, objects out; what is lost, sent twice or logged when things break."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.pipeline.node.peers import REAL, Node, children_of, films, needs, node, orthanc, wait_for

DCMTK, ORTHANC = needs("storescu", "echoscu"), needs("storescu", "Orthanc")


def sent(running: Node) -> int:
    return running.states()["sent"]


def holds_no_identifier(running: Node) -> bool:
    return not any(word in running.log for word in ("SECRET", "SIM0011", "1.2.826.0.1.3680043"))


@ORTHANC
@pytest.mark.slow
def test_two_films_come_back_as_report_capture_and_presentation_state(tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    with orthanc(tmp_path / "pacs") as pacs, node(tmp_path / "n", pacs, REAL) as running:
        uid, paths = films(tmp_path, 0)
        assert running.store(paths) == 0
        wait_for(lambda: {"SR", "PR"} <= set(pacs.found(uid)), 60, f"SR and GSPS in Orthanc; {running.log[-2000:]}")
        wait_for(lambda: sent(running) == 1, 10, "the study is sent")
        found = pacs.found(uid)
        assert len(found["SR"]) == 1 and len(found["PR"]) == 2
        assert sum(len(uids) for uids in found.values()) == 5
        assert holds_no_identifier(running)


@ORTHANC
@pytest.mark.slow
def test_results_go_by_stow_as_well(tmp_path: Path) -> None:
    with orthanc(tmp_path / "pacs") as pacs:
        url = f"http://127.0.0.1:{pacs.http_port}/dicom-web"
        with node(tmp_path / "n", pacs, send__protocol="stow-rs", send__url=url) as running:
            uid, paths = films(tmp_path, 0)
            assert running.store(paths) == 0
            wait_for(lambda: bool(pacs.found(uid)), 30, f"the capture in Orthanc; {running.log[-2000:]}")
            wait_for(lambda: sent(running) == 1, 10, "the study is sent")


@ORTHANC
@pytest.mark.slow
def test_a_late_film_redoes_the_study(tmp_path: Path) -> None:
    with orthanc(tmp_path / "pacs") as pacs, node(tmp_path / "n", pacs) as running:
        uid, paths = films(tmp_path, 0)
        assert running.store(paths[:1]) == 0
        wait_for(lambda: len(pacs.found(uid).get("OT", [])) == 1, 30, "a result of one film")
        assert running.store(paths[1:]) == 0
        wait_for(lambda: len(pacs.found(uid).get("OT", [])) == 2, 30, "a result of both films")
        assert running.store(paths) == 0
        wait_for(lambda: sent(running) == 0, 10, "the study is received again")
        wait_for(lambda: sent(running) == 1, 30, "the study is sent again")
        assert len(pacs.found(uid)["OT"]) == 2


@ORTHANC
@pytest.mark.slow
def test_killed_at_any_point_the_node_loses_nothing_and_sends_nothing_twice(tmp_path: Path) -> None:
    count, kills = 10, 4
    with orthanc(tmp_path / "pacs") as pacs, node(tmp_path / "n", pacs, quiet_seconds=1.5, attempts=50) as running:
        studies = [films(tmp_path, k) for k in range(count)]
        pace = random.Random(1)
        for k, (_, paths) in enumerate(studies):
            for path in paths:
                deliver(running, path)
            if k % (count // kills) == 1:
                time.sleep(pace.uniform(0.0, 2.0))
                running.kill()
                running.start()
            if k == 3:
                pacs.stop()
            if k == 6:
                pacs.start()
        wait_for(lambda: sent(running) == count, 60, f"all studies are sent; {running.log[-3000:]}")
        for uid, _ in studies:
            assert [len(uids) for uids in pacs.found(uid).values()] == [1], uid
        assert holds_no_identifier(running)


def deliver(running: Node, path: Path) -> None:
    """As a modality does: again until it is taken."""
    for _ in range(20):
        if running.store([path]) == 0:
            return
        time.sleep(0.2)
    raise AssertionError("the film was never taken")


@ORTHANC
@pytest.mark.slow
def test_two_nodes_on_one_queue_share_the_work(tmp_path: Path) -> None:
    with orthanc(tmp_path / "pacs") as pacs, node(tmp_path / "a", pacs) as first:
        with node(tmp_path / "b", pacs, folder=str(tmp_path / "a" / "node")) as second:
            studies = [films(tmp_path, k) for k in range(4)]
            for k, (_, paths) in enumerate(studies):
                assert (first if k % 2 else second).store(paths) == 0
            second.kill()
            wait_for(lambda: sent(first) == 4, 40, "all studies are sent")
        for uid, _ in studies:
            assert [len(uids) for uids in pacs.found(uid).values()] == [1]


@DCMTK
@pytest.mark.slow
def test_a_worker_that_is_killed_is_started_again(tmp_path: Path) -> None:
    with node(tmp_path / "n") as running:
        assert running.process is not None
        pid = running.process.pid
        wait_for(lambda: len(children_of(pid)) >= 2, 30, "worker and sender run")
        for child in children_of(pid):
            os.kill(child, signal.SIGKILL)
        wait_for(lambda: running.health()[0] == 503, 5, "/health tells of it")
        _, paths = films(tmp_path, 0)
        assert running.store(paths) == 0
        wait_for(lambda: sent(running) == 1, 30, "the study is done")
        assert running.health()[0] == 200


@DCMTK
@pytest.mark.slow
def test_a_signal_ends_the_node_and_its_processes(tmp_path: Path) -> None:
    with node(tmp_path / "n") as running:
        assert running.process is not None
        pid = running.process.pid
        wait_for(lambda: len(children_of(pid)) >= 2, 30, "worker and sender run")
        below = children_of(pid)
        assert running.stop() == 0
        assert not [child for child in below if Path(f"/proc/{child}").exists()]


@DCMTK
@pytest.mark.slow
def test_processes_of_a_node_that_is_killed_end_by_themselves(tmp_path: Path) -> None:
    with node(tmp_path / "n") as running:
        assert running.process is not None
        pid = running.process.pid
        wait_for(lambda: len(children_of(pid)) >= 2, 30, "worker and sender run")
        below = children_of(pid)
        running.kill()
        wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in below), 20, "none is left")
