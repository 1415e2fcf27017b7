"""Screening of a folder: write each result at once, continue after a failed study, resume a run."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from cohort.covariates import Covariates
from cohort.io.folder import CohortIndex, only_sites
from cohort.study import Study
from osteolens.atomic import cannot_write, write_whole
from osteolens.documents.json_document import write_json
from osteolens.errors import ConfigError
from osteolens.progress import Progress, silent
from pipeline.bundle.load import Bundle, load_bundle
from pipeline.prediction import Status
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.manual_rois import ManualRois
from pipeline.screening.output.objects import no_objects, object_writers
from pipeline.screening.output.parquet import ParquetWriter
from pipeline.screening.output.report import used_tables, write_report
from pipeline.screening.output.rows import COLUMNS, PredictionRow
from pipeline.screening.output.run_record import (
    RowWriter,
    RunCounts,
    RunRecord,
    earlier_seconds,
    locked,
    set_former_aside,
    skipped_rows,
    table_text,
)
from pipeline.screening.rerun.digests import KnownDigests
from pipeline.screening.rerun.results import KnownResults
from pipeline.screening.stop import stop_asked
from pipeline.screening.storage.staging import opened
from pipeline.screening.stored_study import StoredStudy, earlier_study
from pipeline.screening.workers.engines import workplace
from pipeline.screening.workers.settings import WorkerSettings

UNKNOWN = Covariates()
"""No covariate given by the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningOptions:
    """How a folder is screened.

    Attributes:
        config: settings.
        covariates: given by the caller, which override all others; for a single study only.
        manual_rois: boxes to classify on in place of the detector's.
        resume: whether results of an earlier run of the same weights, settings, files and covariates are kept.
    """

    config: ScreeningConfig = field(default_factory=ScreeningConfig)
    covariates: Covariates = UNKNOWN
    manual_rois: ManualRois | None = None
    resume: bool = True


DEFAULT_OPTIONS = ScreeningOptions()


@dataclass(slots=True, kw_only=True)
class RunSummary:
    """Result of a run.

    Attributes:
        rows: one a study, as in predictions.csv.
        seconds: time by stage, added up over the processes that screen.
        resumed: studies whose result of an earlier run was kept.
        stopped: whether a signal ended the run before all studies were screened.
        without_objects: why DICOM objects or FHIR resources were not made, or an image not referenced, by study_uid.
    """

    rows: list[PredictionRow] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    resumed: int = 0
    stopped: bool = False
    without_objects: dict[str, str] = field(default_factory=dict)

    def count(self, status: Status) -> int:
        """Studies that ended so."""
        return sum(row.status is status for row in self.rows)


def screen_folder(
    source: str | Path | CohortIndex,
    out: str | Path,
    bundle: Bundle | Path | str | None = None,
    options: ScreeningOptions = DEFAULT_OPTIONS,
    site: str | None = None,
    progress: Progress = silent,
) -> RunSummary:
    """Screen every study and write its JSON, overlays and row as soon as it is done, then the tables and the report.

    Several processes share the studies where that pays; files and their order are the same as of one. SIGINT and
    SIGTERM end the run after the studies in hand; what is written stays, and the same call goes on from there.

    Args:
        source: folder, image or manifest, an address such as `s3://bucket/films`, or what `index_cohort` says of it.
        out: output folder.
        bundle: checked weights, or a folder of them; the shipped ones when left out.
        options: settings, covariates, manual ROIs, and whether the run resumes.
        site: only studies of this site in cohort.csv; several with commas.
        progress: told after each study.

    Raises:
        ReadError: the source does not exist, or its table cannot be read.
        ConfigError: no study, none of the site, the output is the input folder, or covariates or a shift of levels were
            given for several studies.
        WeightsError: weights that are missing, altered or of another version.
        OutputError: the output folder cannot be written, is full, or another run writes into it.
        MissingExtra: the source is an address, or a setting needs a package, and it is not installed.
    """
    out = Path(out)
    if not isinstance(source, CohortIndex):
        with opened(source, out) as folder:
            summary = screen_folder(folder.index(out), out, bundle, options, site, progress)
            if not summary.stopped:
                folder.remove()
            return summary
    index = source if site is None else only_sites(source, site)
    _check_studies(index, options)
    if not isinstance(bundle, Bundle):
        bundle = load_bundle(None if bundle is None else Path(bundle))
    try:
        for name in ("studies", "overlays"):
            (out / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(out, error) from error
    with locked(out), stop_asked() as stop:
        return _Run(index, out, bundle, options, progress, stop).finish()


def _check_studies(index: CohortIndex, options: ScreeningOptions) -> None:
    count = len(index.studies)
    if not count:
        where = index.address or index.root or "the manifest"
        raise ConfigError(
            f"{where}: no radiographs found ({len(index.skipped)} other files); expected DICOM, "
            "PNG, JPEG or TIFF images, in folders or flat"
        )
    if options.covariates != UNKNOWN and count > 1:
        raise ConfigError(
            f"--age, --sex, --height, --weight and --bmi describe one patient, but {count} studies were found; put "
            "them into cohort.csv beside the images"
        )
    if options.config.shift_levels and count > 1:
        raise ConfigError(
            f"shift_levels corrects one study that a reader has looked at, but {count} were found; give that study's "
            "folder"
        )


class _Run:
    """One run over a folder whose output is held for it."""

    def __init__(
        self,
        index: CohortIndex,
        out: Path,
        bundle: Bundle,
        options: ScreeningOptions,
        progress: Progress,
        stop: threading.Event,
    ) -> None:
        self._started = time.perf_counter()
        self._index, self._out, self._bundle, self._options = index, out, bundle, options
        self._progress, self._stop = progress, stop
        self._summary = RunSummary(seconds={"load": 0.0, "read_wait": 0.0, "screen": 0.0, "write": 0.0})
        self._studies = [replace(s, covariates=s.covariates.overridden_by(options.covariates)) for s in index.studies]
        self._skipped = skipped_rows(index.skipped, index.root)
        write_whole(out / "skipped.csv", table_text(("file", "reason"), self._skipped))
        if index.headers is not None:
            index.headers.write()
        self._writers = object_writers(options.config, out)
        self._add_to_parquet = ParquetWriter(options.config.parquet, out)
        self._earlier_seconds = earlier_seconds(out)
        self._write_row = RowWriter(out)
        self._objects = no_objects(self._writers)
        self._processes = 0
        self._worker = WorkerSettings(
            bundle=bundle, config=options.config, manual_rois=options.manual_rois, root=index.root, out=out
        )
        self._digests = KnownDigests(out, index.root)
        self._results = KnownResults(out, index.root, self._worker.identifiers)

    def finish(self) -> RunSummary:
        """Screen what no earlier run has screened, then write the tables and the report."""
        pending = self._keep_earlier()
        by_uid = {study.study_uid: study for study in pending}
        if pending:
            self._worker = self._worker.on_devices()
            with workplace(self._worker.config, len(pending)) as place:
                self._processes = place.count
                self._worker = place.settings_of_one(self._worker)
                with closing(place.results(pending, self._worker, self._stop)) as results:
                    for stored in results:
                        self._add(stored)
                        self._digests.add(stored.digests)
                        self._results.written(by_uid[stored.row.study_uid], stored.digests)
        self._write_tables()
        return self._summary

    def _keep_earlier(self) -> list[Study]:
        """Take results of an earlier run where they still hold; the studies that are left to screen."""
        resume = self._options.resume and not self._options.config.shift_levels
        pending = []
        for study in self._studies:
            if self._stop.is_set():
                break
            earlier = self._earlier(study) if resume else None
            if earlier is None:
                self._digests.note(study)
                pending.append(study)
            else:
                self._summary.resumed += 1
                took = self._earlier_seconds.get(study.study_uid, 0.0)
                self._add(replace(earlier, row=replace(earlier.row, seconds=took)))
        return pending

    def _earlier(self, study: Study) -> StoredStudy | None:
        """An earlier result that holds; its file is read where it changed, or where objects are made of it."""
        source, root, digest = self._worker.identifiers, self._index.root, cache(self._digests.of)
        row = self._results.row(study, digest)
        if row is not None and not self._objects:
            return StoredStudy(row=row, made={})
        earlier = earlier_study(study, self._out, source, root, self._writers, digest)
        if earlier is not None:
            self._results.add(study, earlier.row, digest)
        return earlier

    def _add(self, stored: StoredStudy) -> None:
        row = stored.row
        self._write_row(row)
        self._add_to_parquet(row)
        self._summary.rows.append(row)
        for kind, made in stored.made.items():
            self._objects[kind].add(row.study_uid, made)
        for stage, seconds in stored.seconds.items():
            self._summary.seconds[stage] += seconds
        self._progress(len(self._summary.rows), len(self._studies))

    def _write_tables(self) -> None:
        summary, out = self._summary, self._out
        left = len(self._studies) - len(summary.rows)
        summary.stopped = left > 0
        former = 0 if summary.stopped else set_former_aside(out, {study.study_uid for study in self._studies})
        summary.without_objects = {uid: why for made in self._objects.values() for uid, why in made.not_made.items()}
        summary.rows.sort(key=lambda row: row.study_uid)
        summary.seconds["total"] = time.perf_counter() - self._started
        counts = RunCounts(
            screened=summary.count(Status.SCREENED),
            rejected=summary.count(Status.REJECTED),
            failed=summary.count(Status.FAILED),
            resumed=summary.resumed,
            skipped_files=len(self._skipped),
            former_studies=former,
            not_reached=left,
        )
        record = RunRecord(
            settings=self._options.config,
            weights=self._bundle.identifiers,
            counts=counts,
            seconds=summary.seconds,
            processes=self._processes,
            devices=self._worker.config.inference.devices if self._processes else {},
            objects={kind: made.as_json() for kind, made in self._objects.items()},
            source=self._index.address or self._index.root,
        ).as_json()
        cells = [row.as_cells() for row in summary.rows]
        write_whole(out / "predictions.csv", table_text(COLUMNS, cells))
        self._add_to_parquet.finish(summary.rows)
        self._digests.write(finished=not summary.stopped)
        self._results.write(finished=not summary.stopped)
        write_json(out / "run.json", record)
        write_report(out, cells, self._skipped, record, used_tables(self._index.root))
