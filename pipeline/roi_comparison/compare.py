"""Manual against automatic ROIs on a cohort folder, through the same classifier."""

from __future__ import annotations

from pathlib import Path

from cohort.eligibility import NO_T_SCORE, exclusions
from cohort.io.annotations import Rois, read_readings
from cohort.io.folder import index_cohort, only_sites
from cohort.io.tables.notes import table_notes
from cohort.study import Study
from osteolens.errors import OsteoLensError, ReadError
from osteolens.progress import Progress, silent
from pipeline.roi_comparison.comparison import Comparison, compare_readings
from pipeline.roi_comparison.config import DEFAULT_COMPARISON, ComparisonConfig
from pipeline.roi_comparison.read import Cause, LeftOut, ReadStudy, joined, lacking, read_rois_of
from pipeline.screening.screener import Screener


def compare_rois(
    cohort: Path | str,
    manual_rois: Path | str,
    screener: Screener,
    config: ComparisonConfig = DEFAULT_COMPARISON,
    site: str | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Classify every eligible study once on each reader's boxes and once on the detector's, and compare.

    Args:
        cohort: folder with images and cohort.csv.
        manual_rois: rois.csv, or readers.csv with a column `reader`.
        screener: loaded models.
        config: who is compared, and how.
        site: only studies of these sites, separated by commas.
        progress: told after every study.

    Raises:
        ReadError: no ROI can be read, or no study has manual boxes of L1-L4 in both views, a T-score, and the
            detector's boxes.
        ConfigError: no study is of the site.
    """
    cohort, manual_rois = Path(cohort), Path(manual_rois)
    unreadable: list[str] = []
    readers = _read_readers(manual_rois, unreadable)
    index = index_cohort(cohort)
    notes = table_notes(cohort, index.studies)
    studies = index.studies if site is None else only_sites(index, site).studies
    left_out = {study.study_uid: why for study in studies if (why := _ineligible(study, config)) is not None}
    eligible = [study for study in studies if study.study_uid not in left_out]
    read: list[ReadStudy] = []
    for number, study in enumerate(eligible, start=1):
        found = _read(study, readers, screener)
        if isinstance(found, LeftOut):
            left_out[study.study_uid] = found
        else:
            read.append(found)
            if found.failure is not None:
                left_out[study.study_uid] = LeftOut(Cause.DETECTOR, found.failure)
        progress(number, len(eligible))
    if all(study.failure is not None for study in read):
        reasons = "; ".join(sorted({why.reason for why in left_out.values()})[:2]) or "no study"
        raise ReadError(f"{manual_rois}: nothing can be compared on {cohort} ({reasons})")
    return compare_readings(joined(read), config, left_out, unreadable, notes)


def _ineligible(study: Study, config: ComparisonConfig) -> LeftOut | None:
    missed = exclusions(study, config.criteria)
    if not missed:
        return None
    if missed == (NO_T_SCORE,):
        return LeftOut(Cause.REFERENCE, NO_T_SCORE)
    return LeftOut(Cause.INELIGIBLE, next(reason for reason in missed if reason != NO_T_SCORE))


def _read(study: Study, readers: dict[str, Rois], screener: Screener) -> ReadStudy | LeftOut:
    if (why := lacking(study, readers)) is not None:
        return why
    try:
        return read_rois_of(study, readers, screener)
    except OsteoLensError as error:
        return LeftOut(Cause.READERS, str(error))


def _read_readers(path: Path, unreadable: list[str]) -> dict[str, Rois]:
    readers = read_readings(path, unreadable)
    if not any(readers.values()):
        why = f": {unreadable[0]}" if unreadable else ""
        raise ReadError(f"{path}: no manual ROI can be read{why}; expected study_uid, view, level and corners")
    return readers
