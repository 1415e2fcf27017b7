"""The queue loses no study, and gives one to one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.node.films import Identity, NodeFolders, StudyFull, keep_film, take_up
from pipeline.node.queue import State, StudyQueue


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


def receive(queue: StudyQueue, folders: NodeFolders, instance: str = "1.2.3.1", most: int = 64) -> str:
    path = folders.incoming / "arrived"
    path.write_bytes(b"content")
    return keep_film(queue, folders, path, Identity("1.2.3", instance), most)


def test_a_study_is_whole_after_its_quiet_time(queue: StudyQueue, folders: NodeFolders) -> None:
    study = receive(queue, folders)
    assert queue.claim(State.RECEIVED, 10, quiet_seconds=60) is None
    claim = queue.claim(State.RECEIVED, 10)
    assert claim is not None and claim.study == study and claim.attempts == 1


def test_one_process_at_a_time_has_a_study(queue: StudyQueue, folders: NodeFolders) -> None:
    receive(queue, folders)
    other = StudyQueue(folders.queue)
    assert queue.claim(State.RECEIVED, 10) is not None
    assert other.claim(State.RECEIVED, 10) is None
    other.close()


def test_work_of_a_dead_process_is_taken_over_and_its_own_counts_for_nothing(
    queue: StudyQueue, folders: NodeFolders
) -> None:
    receive(queue, folders)
    first = queue.claim(State.RECEIVED, -1)
    second = queue.claim(State.RECEIVED, 10)
    assert first is not None and second is not None and second.attempts == 2
    assert not queue.made(first) and not queue.renew(first, 10)
    assert queue.made(second)
    sending = queue.claim(State.MADE, 10)
    assert sending is not None and sending.results == second.token


def test_a_late_instance_takes_the_study_back(queue: StudyQueue, folders: NodeFolders) -> None:
    receive(queue, folders)
    claim = queue.claim(State.RECEIVED, 10)
    assert claim is not None
    receive(queue, folders, "1.2.3.2")
    assert not queue.made(claim)
    assert queue.states()[State.RECEIVED] == 1
    assert len(queue.instances(claim.study)) == 2


def test_a_study_that_was_sent_is_done_again_when_an_instance_is_sent_again(
    queue: StudyQueue, folders: NodeFolders
) -> None:
    receive(queue, folders)
    for waiting, end in ((State.RECEIVED, queue.made), (State.MADE, queue.sent)):
        claim = queue.claim(waiting, 10)
        assert claim is not None and end(claim)
    assert queue.states()[State.SENT] == 1
    study = receive(queue, folders)
    assert queue.states()[State.RECEIVED] == 1
    assert len(queue.instances(study)) == 1


def test_a_study_that_is_put_back_waits(queue: StudyQueue, folders: NodeFolders) -> None:
    receive(queue, folders)
    claim = queue.claim(State.RECEIVED, 10)
    assert claim is not None and queue.put_back(claim, State.RECEIVED, "the disk is full", 60)
    assert queue.claim(State.RECEIVED, 10) is None
    assert [(state, reason) for _, state, _, reason in queue.reasons()] == [(State.RECEIVED, "the disk is full")]


def test_a_study_has_a_limit_of_instances(queue: StudyQueue, folders: NodeFolders) -> None:
    receive(queue, folders, "1.2.3.1", most=1)
    receive(queue, folders, "1.2.3.1", most=1)
    with pytest.raises(StudyFull):
        receive(queue, folders, "1.2.3.2", most=1)


def test_no_uid_names_a_file(queue: StudyQueue, folders: NodeFolders) -> None:
    receive(queue, folders)
    names = [path.name for path in folders.root.rglob("*")]
    assert not [name for name in names if "1.2.3" in name]


def test_films_without_a_row_are_taken_up(queue: StudyQueue, folders: NodeFolders) -> None:
    receive(queue, folders)
    with queue.transaction() as database:
        database.execute("DELETE FROM studies")
    take_up(queue, folders)
    assert queue.states()[State.RECEIVED] == 1
