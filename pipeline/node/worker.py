"""The process that screens: models are loaded once, then one study after another."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from cohort.io.folder import index_cohort
from osteolens.atomic import make_folder
from osteolens.errors import OsteoLensError, OutputError
from pipeline.bundle.load import load_bundle
from pipeline.dicom_objects.write import FOLDER
from pipeline.node.config import NodeConfig
from pipeline.node.films import NodeFolders, sync
from pipeline.node.process import held, without_identifiers, work_through
from pipeline.node.queue import Claim, State, StudyQueue
from pipeline.screening.output.objects import object_writers
from pipeline.screening.radiograph_reader import LoadedStudy, RadiographReader, read_images
from pipeline.screening.screener import Screener
from pipeline.screening.stored_study import screen_study

log = logging.getLogger(__name__)

ScreenFilms = Callable[[Path, Path], None]
"""Screens the films of a folder into a folder of results, with the DICOM objects among them."""

Screening = Callable[[NodeConfig], AbstractContextManager[ScreenFilms]]
"""Loads what `ScreenFilms` needs, and frees it at the end."""

DISK_SECONDS = 10.0
"""Wait after results could not be written."""


@contextmanager
def screening(config: NodeConfig) -> Iterator[ScreenFilms]:
    """Screening with the models of the settings, as `process` does it.

    Raises:
        WeightsError: weights that are missing, altered or of another version.
        MissingExtra: a package that makes DICOM objects is not installed.
    """
    screener = Screener(load_bundle(config.weights), config.screening)
    with RadiographReader(config.screening.read_seconds) as reader:

        def screen(films: Path, results: Path) -> None:
            for name in ("studies", "overlays"):
                make_folder(results / name)
            writers = object_writers(config.screening, results)
            for study in index_cohort(films).studies:
                loaded: Future[LoadedStudy] = Future()
                loaded.set_result(read_images(study, reader))
                screen_study(study, loaded, screener, results, writers)

        yield screen


def work(config: NodeConfig, level: int, load: Screening = screening) -> None:
    """Screen what is received, until a signal or the end of the parent process.

    Args:
        config: of the node.
        level: of the log.
        load: what screens.
    """
    folders = NodeFolders(config.folder)
    with without_identifiers(level), load(config) as screen:
        queue = StudyQueue(folders.queue)
        work_through(
            lambda: queue.claim(State.RECEIVED, config.lease_seconds, config.quiet_seconds),
            lambda claim: _screen(claim, queue, folders, config, screen),
            config.poll_seconds,
        )


def _screen(claim: Claim, queue: StudyQueue, folders: NodeFolders, config: NodeConfig, screen: ScreenFilms) -> float:
    """Screen a study into a folder of its claim, so that nobody else writes there."""
    if claim.attempts > config.attempts:
        queue.failed(claim, f"screening was begun {config.attempts} times and never ended")
        log.error("study %s failed: screening was begun %d times and never ended", claim.study, config.attempts)
        return 0.0
    study = folders.results / claim.study
    results = study / claim.token
    try:
        with held(queue, claim, config.lease_seconds, config.study_seconds):
            make_folder(results)
            _bring_sent_report(study / claim.sent_results if claim.sent_results else None, results)
            screen(folders.films / claim.study, results)
            _sync_below(results)
            sync(study)
            sync(folders.results)
    except (OutputError, OSError) as error:
        shutil.rmtree(results, ignore_errors=True)
        queue.put_back(claim, State.RECEIVED, f"{type(error).__name__} while writing", DISK_SECONDS, began=False)
        log.warning("study %s waits: its results cannot be written (%s)", claim.study, type(error).__name__)
        return 0.0
    except OsteoLensError as error:
        queue.failed(claim, f"it cannot be screened ({type(error).__name__})")
        log.error("study %s failed: it cannot be screened (%s)", claim.study, type(error).__name__)
        return 0.0
    if config.send.protocol != "none" and not any(results.rglob("*.dcm")):
        queue.failed(claim, "no DICOM object could be made of it")
        log.error("study %s failed: no DICOM object could be made of it", claim.study)
    elif queue.made(claim):
        log.info("study %s is screened", claim.study)
    return 0.0


def _bring_sent_report(before: Path | None, results: Path) -> None:
    """Lay the report that was sent last where the new one goes, so that it says which one it replaces."""
    for report in () if before is None else (before / FOLDER).glob("*_sr.dcm"):
        make_folder(results / FOLDER)
        shutil.copyfile(report, results / FOLDER / report.name)


def _sync_below(folder: Path) -> None:
    """Wait until all of a folder is on the disk."""
    for path in (folder, *folder.rglob("*")):
        sync(path)
