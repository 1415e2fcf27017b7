"""Manual against automatic ROIs on a cohort folder, through the same classifier."""

from __future__ import annotations

from pathlib import Path

from cohort.eligibility import exclusions
from cohort.io.annotations import Rois, read_readings
from cohort.io.folder import index_cohort, only_sites
from cohort.io.tables.notes import table_notes
from osteolens.errors import OsteoLensError, ReadError
from osteolens.progress import Progress, silent
from pipeline.roi_comparison.comparison import Comparison, compare_readings
from pipeline.roi_comparison.config import DEFAULT_COMPARISON, ComparisonConfig
from pipeline.roi_comparison.studies import AUTOMATIC, ComparedStudy, compare_study, joined
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
        ReadError: no ROI can be read, or no study has manual boxes of L1-L4 in both views and a T-score.
        ConfigError: no study is of the site.
    """
    cohort, manual_rois = Path(cohort), Path(manual_rois)
    unreadable: list[str] = []
    readers = _read_readers(manual_rois, unreadable)
    index = index_cohort(cohort)
    notes = table_notes(cohort, index.studies)
    studies = index.studies if site is None else only_sites(index, site).studies
    eligible = [study for study in studies if not exclusions(study, config.criteria)]
    compared: list[ComparedStudy] = []
    left_out: dict[str, str] = {}
    for number, study in enumerate(eligible, start=1):
        try:
            compared.append(compare_study(study, readers, screener))
        except OsteoLensError as error:
            left_out[study.study_uid] = str(error)
        progress(number, len(eligible))
    if not compared:
        reasons = "; ".join(sorted(set(left_out.values()))[:2]) or "no eligible study"
        raise ReadError(f"{manual_rois}: nothing can be compared on {cohort} ({reasons})")
    return compare_readings(joined(compared), config, left_out, unreadable, notes)


def _read_readers(path: Path, unreadable: list[str]) -> dict[str, Rois]:
    readers = read_readings(path, unreadable)
    if not any(readers.values()):
        why = f": {unreadable[0]}" if unreadable else ""
        raise ReadError(f"{path}: no manual ROI can be read{why}; expected study_uid, view, level and corners")
    if AUTOMATIC in readers:
        raise ReadError(f"{path}: a reader is called {AUTOMATIC!r}, which names the automatic ROIs; rename that reader")
    return readers
