"""Deletion of what the node need not keep any longer, and of what dead processes left."""

from __future__ import annotations

import logging
import secrets
import time
from pathlib import Path

from pipeline.node.config import RetentionConfig
from pipeline.node.films import NodeFolders, remove_stale
from pipeline.node.queue import State, StudyQueue

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400


def delete_old(queue: StudyQueue, folders: NodeFolders, config: RetentionConfig) -> int:
    """Delete films, results and rows whose time is over, and folders of claims that led to nothing.

    What is deleted is first moved aside while the queue is held, so that an instance that arrives at the same moment
    either keeps its study or begins a new one.

    Args:
        queue: of studies.
        folders: of the node.
        config: times.

    Returns:
        studies of which something was deleted.

    Raises:
        OSError: the disk cannot be written.
    """
    now = time.time()
    days = {State.SENT: (config.films_days, config.results_days), State.FAILED: (config.failed_days,) * 2}
    changed = 0
    with queue.transaction() as database:
        rows = database.execute("SELECT study, state, changed, results, sent_results, claim FROM studies").fetchall()
        for study, state, since, *kept in rows:
            _set_leftovers_aside(folders, study, {name for name in kept if name})
            if state not in days:
                continue
            films, results = (since + day * DAY_SECONDS <= now for day in days[state])
            over = [place / study for place, is_over in ((folders.films, films), (folders.results, results)) if is_over]
            changed += sum(_set_aside(path, folders) for path in over) > 0
            if films:
                database.execute("DELETE FROM instances WHERE study = ?", (study,))
            if films and results:
                database.execute("DELETE FROM studies WHERE study = ?", (study,))
    remove_stale(folders)
    if changed:
        log.info("deleted what %d studies need no longer", changed)
    return changed


def _set_leftovers_aside(folders: NodeFolders, study: str, kept: set[str]) -> None:
    """Results of former claims of a study."""
    place = folders.results / study
    for path in place.iterdir() if place.is_dir() else ():
        if path.name not in kept:
            _set_aside(path, folders)


def _set_aside(path: Path, folders: NodeFolders) -> bool:
    """Move a folder to where nothing looks; whether it was there."""
    if not path.exists():
        return False
    path.rename(folders.deleted / secrets.token_hex(8))
    return True
