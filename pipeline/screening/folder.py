"""A whole folder: read ahead, screen, write each result at once, never stop for one study, resume."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cohort.covariates import Covariates
from cohort.io.folder import CohortIndex
from cohort.study import Study
from osteolens.atomic import cannot_write, write_whole
from osteolens.errors import ConfigError, OsteoLensError, OutputError
from osteolens.json_document import read_json, write_json
from osteolens.text import visible
from pipeline.bundle.load import Bundle
from pipeline.prediction import ModelIdentifiers, Prediction, Status, stored_covariates
from pipeline.screening.assessment import image_records, told_path
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.film_reader import FilmReader, LoadedStudy, digest_of, read_images
from pipeline.screening.manual_rois import ManualRois
from pipeline.screening.overlay import write_overlay
from pipeline.screening.report import write_report
from pipeline.screening.run_record import (
    COLUMNS,
    RowWriter,
    locked,
    row_of,
    run_document,
    set_former_aside,
    skipped_rows,
    table_text,
)
from pipeline.screening.screener import Screener, ScreeningOutput, identifiers
from pipeline.screening.stop import stop_asked

log = logging.getLogger(__name__)

UNKNOWN = Covariates()
"""No covariate given on the command line."""


@dataclass(slots=True)
class RunSummary:
    """What a run did.

    Attributes:
        rows: one dictionary a study, as in predictions.csv.
        seconds: time by stage.
        resumed: studies whose result of an earlier run was kept.
        stopped: whether a signal ended the run before all studies were screened.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    resumed: int = 0
    stopped: bool = False

    def count(self, status: str) -> int:
        """Studies with this status: screened, rejected or failed."""
        return sum(row["status"] == status for row in self.rows)


def process(
    index: CohortIndex,
    out: Path,
    weights: Bundle,
    config: ScreeningConfig,
    given: Covariates = UNKNOWN,
    resume: bool = True,
    drawn: ManualRois | None = None,
    done: Callable[[dict[str, Any]], None] = lambda _: None,
) -> RunSummary:
    """Screen every study and write its JSON, overlays and row as soon as it is done, then the tables and the report.

    SIGINT and SIGTERM end the run after the study in hand; what is written stays, and the same call goes on from there.

    Args:
        index: studies and skipped files.
        out: output folder.
        weights: checked weights.
        config: settings.
        given: covariates from the command line, which override all others; for a single study only.
        resume: keep results of an earlier run of the same weights, settings, files and covariates.
        drawn: hand-drawn ROIs to classify on in place of the detector's.
        done: called with each row.

    Raises:
        ConfigError: covariates or a shift of levels were given for more than one study.
        OutputError: the output folder cannot be written, is full, or another run writes into it.
    """
    _check_single(index, config, given)
    try:
        for name in ("studies", "overlays"):
            (out / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    with locked(out), stop_asked() as stop:
        return _process(index, out, weights, config, given, resume, drawn, done, stop)


def _check_single(index: CohortIndex, config: ScreeningConfig, given: Covariates) -> None:
    if given != UNKNOWN and len(index.studies) > 1:
        raise ConfigError(
            f"--age, --sex, --height, --weight and --bmi describe one patient, but {len(index.studies)} studies were "
            "found; put them into cohort.csv beside the images"
        )
    if config.shift_levels and len(index.studies) > 1:
        raise ConfigError(
            f"shift_levels corrects one study that a reader has looked at, but {len(index.studies)} were found; "
            "give that study's folder"
        )


def _process(
    index: CohortIndex,
    out: Path,
    weights: Bundle,
    config: ScreeningConfig,
    given: Covariates,
    resume: bool,
    drawn: ManualRois | None,
    done: Callable[[dict[str, Any]], None],
    stop: threading.Event,
) -> RunSummary:
    started = time.perf_counter()
    summary = RunSummary(seconds={"load": 0.0, "read_wait": 0.0, "screen": 0.0, "write": 0.0})
    studies = [replace(s, covariates=s.covariates.overridden_by(given)) for s in index.studies]
    skipped = skipped_rows(index.skipped, index.root)
    write_whole(out / "skipped.csv", table_text(("file", "reason"), skipped))
    write_row, pending = RowWriter(out), []
    source = identifiers(weights, config, drawn)

    def finished(row: dict[str, Any]) -> None:
        write_row(row)
        summary.rows.append(row)
        done(row)

    for study in studies:
        if stop.is_set():
            break
        kept = _kept_row(study, out, source, index.root) if resume and not config.shift_levels else None
        if kept is None:
            pending.append(study)
        else:
            summary.resumed += 1
            finished(kept)
    if pending:
        with FilmReader(config.read_seconds) as reader:
            screener = Screener(weights, config, drawn, index.root)
            summary.seconds["load"] = time.perf_counter() - started
            for study, future in _read_ahead(pending, config.read_ahead, reader, stop):
                finished(_one_study(study, future, screener, out, summary))
    summary.stopped = len(summary.rows) < len(studies)
    former = 0 if summary.stopped else set_former_aside(out, {study.study_uid for study in studies})
    summary.rows.sort(key=lambda row: str(row["study_uid"]))
    summary.seconds["total"] = time.perf_counter() - started
    counts = {
        **{status: summary.count(status) for status in ("screened", "rejected", "failed")},
        "resumed": summary.resumed,
        "skipped_files": len(skipped),
        "former_studies": former,
        **({"not_reached": len(studies) - len(summary.rows)} if summary.stopped else {}),
    }
    run = run_document(config.model_dump(), weights.identifiers, counts, summary.seconds)
    write_whole(out / "predictions.csv", table_text(COLUMNS, summary.rows))
    write_json(out / "run.json", run)
    write_report(out, summary.rows, skipped, run)
    return summary


def _read_ahead(
    studies: list[Study], ahead: int, reader: FilmReader, stop: threading.Event
) -> Iterator[tuple[Study, Future[LoadedStudy]]]:
    """Studies in order with their pixels on the way, until a stop is asked for; at most `ahead` are held in memory."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting: deque[tuple[Study, Future[LoadedStudy]]] = deque()
        for study in studies:
            waiting.append((study, pool.submit(read_images, study, reader)))
            if len(waiting) > ahead and not stop.is_set():
                yield waiting.popleft()
            if stop.is_set():
                break
        while waiting and not stop.is_set():
            yield waiting.popleft()
        pool.shutdown(cancel_futures=True)


def _one_study(
    study: Study, future: Future[LoadedStudy], screener: Screener, out: Path, summary: RunSummary
) -> dict[str, Any]:
    """Screen and write one study; its row.

    Raises:
        OutputError: results cannot be written, so that going on is of no use.
    """
    clock = begun = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        summary.seconds[stage] += now - clock
        clock = now

    read = LoadedStudy(study, (), ())
    try:
        read = future.result()
        lap("read_wait")
        screened = screener.screen(read)
        lap("screen")
        _write_overlays(screened, screener.config, out)
        document = _written(screened.prediction, out)
        lap("write")
        return row_of(document, time.perf_counter() - begun)
    except OutputError:
        raise
    except OsteoLensError as error:
        failure = str(error)
    except Exception as error:  # the one broad catch: a broken study never ends the run
        log.warning("a study failed with %s", type(error).__name__)
        log.debug("details", exc_info=True)
        failure = f"{type(error).__name__}: {error}"
    failed = Prediction(
        study_uid=study.study_uid,
        patient_id=study.patient_id,
        model=screener.identifiers,
        covariates=study.covariates,
        images=image_records(read, [], False, screener.root),
        failure=" ".join(failure.split()),
    )
    return row_of(_written(failed, out), time.perf_counter() - begun)


def _written(prediction: Prediction, out: Path) -> dict[str, Any]:
    """Write a study's JSON; returns it."""
    document = prediction.as_json()
    write_json(out / "studies" / f"{prediction.study_uid}.json", document)
    return document


def _write_overlays(screened: ScreeningOutput, config: ScreeningConfig, out: Path) -> None:
    prediction = screened.prediction
    for view, pixels in screened.pixels.items():
        path = out / "overlays" / f"{prediction.study_uid}_{view}.png"
        outlines = screened.outlines.get(view, {})
        write_overlay(prediction, view, pixels, config.overlay_px, path, outlines)
        if view in screened.heat:
            hot = path.with_name(f"{prediction.study_uid}_{view}_explained.png")
            write_overlay(prediction, view, pixels, config.overlay_px, hot, outlines, screened.heat[view])


def _kept_row(study: Study, out: Path, source: ModelIdentifiers, root: Path | None) -> dict[str, Any] | None:
    """The row of an earlier result, if it is whole and came from the same weights, settings, patient, covariates and
    files, by their digests."""
    path = out / "studies" / f"{study.study_uid}.json"
    if not path.is_file():
        return None
    try:
        document = read_json(path)
        earlier = Prediction.from_json(document)
    except OsteoLensError:
        return None
    before = {image.path: image.sha256 for image in earlier.images}
    now = {told_path(image, root): digest_of(image) for _, image in study.images}
    now |= {told_path(image, root): before.get(told_path(image, root), "") for _, image, _ in study.set_aside}
    same = (
        document == earlier.as_json()
        and earlier.model == source
        and earlier.status is not Status.FAILED
        and earlier.patient_id == visible(study.patient_id)
        and earlier.covariates == stored_covariates(study.covariates)
        and before == now
    )
    return row_of(document, 0.0) if same else None
