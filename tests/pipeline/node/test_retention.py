"""What is over is deleted; what is not is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.node.config import RetentionConfig
from pipeline.node.films import Identity, NodeFolders, keep_film
from pipeline.node.queue import State, StudyQueue
from pipeline.node.retention import delete_old

NEVER, AT_ONCE = 3650.0, 0.0


@pytest.fixture
def folders(tmp_path: Path) -> NodeFolders:
    folders = NodeFolders(tmp_path / "node")
    folders.make()
    return folders


@pytest.fixture
def queue(folders: NodeFolders) -> Iterator[StudyQueue]:
    queue = StudyQueue(folders.queue)
    yield queue
    queue.close()


def finished(queue: StudyQueue, folders: NodeFolders, until: State) -> str:
    """A study with a film, results, and results of a claim that led to nothing."""
    path = folders.incoming / "arrived"
    path.write_bytes(b"content")
    study = keep_film(queue, folders, path, Identity("1.2.3", "1.2.3.1"), 9)
    claim = queue.claim(State.RECEIVED, 10)
    assert claim is not None
    for token in (claim.token, "former"):
        (folders.results / study / token).mkdir(parents=True)
    if until is State.SENT:
        assert queue.made(claim)
        claim = queue.claim(State.MADE, 10)
        assert claim is not None and queue.sent(claim)
    elif until is State.FAILED:
        assert queue.failed(claim, "reason")
    return study


@pytest.mark.parametrize("state", [State.SCREENING, State.SENT, State.FAILED])
def test_before_its_time_nothing_but_leftovers_is_deleted(
    queue: StudyQueue, folders: NodeFolders, state: State
) -> None:
    study = finished(queue, folders, state)
    delete_old(queue, folders, RetentionConfig(films_days=NEVER, results_days=NEVER, failed_days=NEVER))
    assert len(list((folders.films / study).iterdir())) == 1
    (kept,) = (folders.results / study).iterdir()
    assert kept.name != "former"


def test_films_go_before_results(queue: StudyQueue, folders: NodeFolders) -> None:
    study = finished(queue, folders, State.SENT)
    assert delete_old(queue, folders, RetentionConfig(films_days=AT_ONCE, results_days=NEVER)) == 1
    assert not (folders.films / study).exists() and (folders.results / study).is_dir()
    assert queue.states()[State.SENT] == 1
    delete_old(queue, folders, RetentionConfig(films_days=AT_ONCE, results_days=AT_ONCE))
    assert not (folders.results / study).exists()
    assert queue.states()[State.SENT] == 0 and not list(folders.deleted.iterdir())


def test_what_waits_is_never_deleted(queue: StudyQueue, folders: NodeFolders) -> None:
    study = finished(queue, folders, State.SCREENING)
    delete_old(queue, folders, RetentionConfig(films_days=AT_ONCE, results_days=AT_ONCE, failed_days=AT_ONCE))
    assert (folders.films / study).is_dir()


def test_a_failed_study_is_deleted_whole(queue: StudyQueue, folders: NodeFolders) -> None:
    study = finished(queue, folders, State.FAILED)
    delete_old(queue, folders, RetentionConfig(failed_days=AT_ONCE))
    assert not (folders.films / study).exists() and not (folders.results / study).exists()
    assert not queue.instances(study)
