"""A cohort that nobody has screened yet: screened here, on the detector's ROIs and on hand-drawn ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cohort.io.folder import index_cohort, only_sites
from osteolens.errors import ReadError
from pipeline.bundle.load import load_bundle
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.folder import process
from pipeline.screening.manual_rois import ManualRois


def screen_cohort(
    cohort: Path,
    out: Path,
    site: str | None = None,
    weights: Path | None = None,
    done: Callable[[int, int], None] = lambda _now, _all: None,
) -> tuple[Path, Path | None]:
    """Screen a cohort into out/screened, from each part of the inputs too, and, where it has rois.csv, on those
    boxes into out/manual; a rerun resumes.

    Args:
        cohort: folder with images and cohort.csv.
        out: folder of both results.
        site: only studies of these sites, separated by commas.
        weights: another folder of weights.
        done: called with how many of all screenings are done.

    Returns:
        folders of results; the second is None without rois.csv.

    Raises:
        ReadError: no radiograph.
        ConfigError: no study is of the site.
    """
    index = index_cohort(cohort, exclude=out)
    if site is not None:
        index = only_sites(index, site)
    if not index.studies:
        raise ReadError(f"{cohort}: no radiographs found; expected DICOM, PNG, JPEG or TIFF images beside cohort.csv")
    rois = cohort / "rois.csv"
    runs: list[tuple[Path, ManualRois | None]] = [(out / "screened", None)]
    if rois.is_file():
        runs.append((out / "manual", ManualRois.read(rois)))
    checked, whole, now = load_bundle(weights), len(runs) * len(index.studies), 0

    def one_done(_: object) -> None:
        nonlocal now
        now += 1
        done(now, whole)

    for folder, drawn in runs:
        process(index, folder, checked, ScreeningConfig(input_ablation=drawn is None), drawn=drawn, done=one_done)
    return runs[0][0], runs[1][0] if len(runs) > 1 else None
