"""What leaves a review: tables, results on corrected boxes, and DICOM reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from osteolens.atomic import make_folder, write_whole
from osteolens.errors import MissingExtra, ReadError, StudyError
from osteolens.progress import Progress, silent
from pipeline.dicom_objects.write import require_dicom
from pipeline.prediction import read_prediction
from pipeline.review.readings.corrections import DrawnStudy, Saved
from pipeline.review.readings.export import TABLES, ExportName, export
from pipeline.review.readings.log import ReadingLog, all_readings
from pipeline.review.readings.reports import Reports, Sources, write_reports, zipped
from pipeline.review.readings.result import StoredResult, stored_result
from pipeline.review.summaries import ImagePlace
from pipeline.review.worklist import Entry, Worklist


@dataclass(frozen=True, slots=True, kw_only=True)
class Exports:
    """What leaves a review.

    Attributes:
        out: folder of results.
        corrected: folder of the reader's results on corrected boxes.
        worklist: its studies, and who reads them.
        log: the reader's file.
        path_of: file of an image, whose content is that of the time when it was screened.
        classify: stores the class on a reader's boxes beside the predicted one.
    """

    out: Path
    corrected: Path
    worklist: Worklist
    log: ReadingLog
    path_of: Callable[[ImagePlace], Path]
    classify: Callable[[Entry, DrawnStudy], object]

    def read(self, name: ExportName) -> bytes:
        """One table of what was said, or the reports in one archive.

        Raises:
            MissingExtra: reports without the extra 'dicom'.
            OutputError: it cannot be written.
            ReadError: a reader's file that cannot be read, or no report that can be made.
        """
        if name is ExportName.REPORTS:
            return zipped(self.reports())
        options = self.worklist.options
        own = self.log.states
        unbiased = own if options.reader_study else self.log.readings.unbiased
        readings: dict[str, Mapping[str, Saved]] = {options.name: unbiased} if unbiased else {}
        if options.sees_others and name is ExportName.READERS:
            every = all_readings(self.out / "review")
            readings = {**{reader: found.unbiased for reader, found in every.items()}, **readings}
        folder = self.out / "review" / "export" / options.name
        return export(name, folder, self.worklist, own, readings, self._result_of)

    def reports(self, progress: Progress = silent) -> Reports:
        """What the reader said as DICOM SR, in OUT/review/reports/READER.

        Raises:
            MissingExtra: without the extra 'dicom'.
            OutputError: it cannot be written.
        """
        sources = Sources(out=self.out, worklist=self.worklist, path_of=self.path_of, result_of=self._result_of)
        return write_reports(self.log.states, sources, progress)

    def write(self, folder: Path, progress: Progress = silent) -> Reports | None:
        """Every table, and the reports in its folder `reports`; None where the extra 'dicom' is missing.

        A report of a former export of a study that none can be made of any more is removed.

        Args:
            folder: made where it is not there.
            progress: told of every report.

        Raises:
            OutputError: it cannot be written.
            ReadError: a reader's file that cannot be read.
        """
        make_folder(folder)
        for name in TABLES:
            write_whole(folder / name.value, self.read(name))
        if ExportName.REPORTS.value not in available():
            return None
        reports = self.reports(progress)
        if reports.paths:
            make_folder(folder / "reports")
        for path in reports.paths:
            write_whole(folder / "reports" / path.name, path.read_bytes())
        for uid in reports.not_made:
            (folder / "reports" / f"{uid}_sr.dcm").unlink(missing_ok=True)
        return reports

    def _result_of(self, uid: str, saved: Saved) -> tuple[StoredResult | None, str]:
        """The class on the boxes that were saved, classified again where another one is stored; else why there is
        none."""
        if saved.hidden_predictions or self.worklist.options.reader_study:
            return None, "predictions were hidden"
        if saved.state.not_evaluable is not None:
            return None, "not evaluable, said by the reader"
        entry, path = self.worklist.entries[uid], self.corrected / f"{uid}.json"
        try:
            prediction = read_prediction(entry.path)
            stored = stored_result(path)
            if stored is None or _is_older(path, entry.path) or not stored.is_of(prediction, saved.state.views):
                self.classify(entry, DrawnStudy(views=saved.state.views))
                stored = stored_result(path)
        except (StudyError, ReadError) as error:
            return None, str(error)
        return stored, ""


def _is_older(path: Path, result: Path) -> bool:
    """Whether a study was screened again since, perhaps with another age, sex or BMI.

    Raises:
        ReadError: one of both files is gone.
    """
    try:
        return path.stat().st_mtime_ns <= result.stat().st_mtime_ns
    except OSError as error:
        raise ReadError(f"{result.name}: cannot be read ({error.strerror}); expected the result of a study") from error


def available() -> list[str]:
    """Names of the exports that can be had here: reports need the extra 'dicom'."""
    try:
        require_dicom()
    except MissingExtra:
        return [name.value for name in TABLES]
    return [name.value for name in ExportName]
