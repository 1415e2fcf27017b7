"""Screen a whole cohort on the detector's ROIs and on manual ROIs, as external validation needs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cohort.io.folder import index_cohort, only_sites
from osteolens.errors import ReadError
from osteolens.progress import Progress, silent
from pipeline.bundle.load import load_bundle
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.folder import ScreeningOptions, screen_folder
from pipeline.screening.manual_rois import ManualRois


@dataclass(frozen=True, slots=True)
class ScreenedCohort:
    """Folders of results on the detector's ROIs and, where the cohort has rois.csv, on manual ones."""

    automatic: Path
    manual: Path | None


def screen_cohort(
    cohort: Path, out: Path, site: str | None = None, weights: Path | None = None, progress: Progress = silent
) -> ScreenedCohort:
    """Screen a cohort into out/screened, from each part of the inputs too, and, where it has rois.csv, on those
    boxes into out/manual; a rerun resumes.

    Args:
        cohort: folder with images and cohort.csv.
        out: folder of both results.
        site: only studies of these sites, separated by commas.
        weights: another folder of weights.
        progress: told after each screening of a study.

    Raises:
        ReadError: no radiograph.
        ConfigError: no study is of the site.
    """
    index = index_cohort(cohort, exclude=out)
    if site is not None:
        index = only_sites(index, site)
    count, bundle, rois = len(index.studies), load_bundle(weights), cohort / "rois.csv"
    if not count:
        raise ReadError(f"{cohort}: no radiographs found; expected DICOM, PNG, JPEG or TIFF images beside cohort.csv")
    runs = 2 if rois.is_file() else 1
    options = ScreeningOptions(config=ScreeningConfig(input_ablation=True))
    screen_folder(index, out / "screened", bundle, options, progress=lambda done, _: progress(done, runs * count))
    if runs == 1:
        return ScreenedCohort(out / "screened", None)
    options = ScreeningOptions(manual_rois=ManualRois.read(rois))
    screen_folder(index, out / "manual", bundle, options, progress=lambda done, _: progress(count + done, runs * count))
    return ScreenedCohort(out / "screened", out / "manual")
