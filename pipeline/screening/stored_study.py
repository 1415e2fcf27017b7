"""One study of a folder: screened and written with its overlays, or taken from an earlier run. Add outputs here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from cohort.io.radiograph import PLAIN_SUFFIXES
from cohort.study import Study
from osteolens.atomic import cannot_write, write_whole
from osteolens.documents.json_document import read_json, write_json
from osteolens.documents.text import visible
from osteolens.errors import OsteoLensError, OutputError
from pipeline.prediction import ModelIdentifiers, Prediction, Status, stored_covariates
from pipeline.screening.assessment import image_records, told_path
from pipeline.screening.config import ScreeningConfig
from pipeline.screening.output.made import Made
from pipeline.screening.output.objects import ObjectWriter
from pipeline.screening.output.overlay import overlay_png
from pipeline.screening.output.rows import PredictionRow, row_of
from pipeline.screening.output.run_record import EXPLAINED, picture_names
from pipeline.screening.radiograph_reader import LoadedStudy, digest_of
from pipeline.screening.screener import Screener, ScreeningOutput

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredStudy:
    """A study whose result is written.

    Attributes:
        row: of predictions.csv.
        made: what became of DICOM objects and FHIR resources, by the kinds that are asked for.
        digests: SHA-256 of each image, by its path as told.
        seconds: time by stage; empty for a result of an earlier run.
    """

    row: PredictionRow
    made: Mapping[str, Made]
    digests: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


def screen_study(
    study: Study, future: Future[LoadedStudy], screener: Screener, out: Path, writers: Sequence[ObjectWriter]
) -> StoredStudy:
    """Screen one study and write its files.

    Args:
        study: to screen.
        future: the study with its pixels, read ahead.
        screener: loaded models.
        out: folder of results.
        writers: of DICOM objects and FHIR resources.

    Raises:
        OutputError: results cannot be written, so that going on is of no use.
    """
    clock = begun = time.perf_counter()
    seconds: dict[str, float] = {}

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        seconds[stage] = now - clock
        clock = now

    loaded = LoadedStudy(study, (), ())
    try:
        loaded = future.result()
        lap("read_wait")
        output = screener.screen_loaded(loaded)
        lap("screen")
        _remove_pictures(study.study_uid, out)
        if screener.config.overlays:
            _write_overlays(output, screener.config, out)
        stored = _stored(output.prediction, out)
        made = write_objects(study, stored, writers)
        lap("write")
        row = row_of(stored, time.perf_counter() - begun)
        return StoredStudy(row=row, made=made, digests=_digests(stored), seconds=seconds)
    except OutputError:
        raise
    except OsteoLensError as error:
        failure = str(error)
    except Exception as error:  # a broken study never ends the run; the other broad catch is of its objects
        log.warning("a study failed with %s", type(error).__name__)
        log.debug("details", exc_info=True)
        failure = f"{type(error).__name__}: {error}"
    failed = store_failure(loaded, failure, screener.identifiers, screener.root, out, writers)
    took = round(time.perf_counter() - begun, 3)
    return replace(failed, row=replace(failed.row, seconds=took), seconds=seconds)


def store_failure(
    loaded: LoadedStudy,
    failure: str,
    source: ModelIdentifiers,
    root: Path | None,
    out: Path,
    writers: Sequence[ObjectWriter],
) -> StoredStudy:
    """Write that a study could not be screened.

    Args:
        loaded: what could be read of the study.
        failure: why.
        source: identifiers of the weights and settings.
        root: folder that paths are told from.
        out: folder of results.
        writers: of DICOM objects and FHIR resources.

    Raises:
        OutputError: results cannot be written.
    """
    study = loaded.study
    _remove_pictures(study.study_uid, out)
    failed = Prediction(
        study_uid=study.study_uid,
        patient_id=study.patient_id,
        model=source,
        covariates=study.covariates,
        images=image_records(loaded, [], False, root),
        failure=" ".join(failure.split()),
        study_date=study.study_date,
        system=study.system,
    )
    stored = _stored(failed, out)
    return StoredStudy(row=row_of(stored, 0.0), made=write_objects(study, stored, writers), digests=_digests(stored))


def write_objects(
    study: Study, prediction: Prediction, writers: Sequence[ObjectWriter], kept: bool = False
) -> dict[str, Made]:
    """Write a result's objects; where they cannot be made, the result stands.

    Args:
        study: the result is of.
        prediction: the result.
        writers: of DICOM objects and FHIR resources.
        kept: whether the result is an earlier one, whose objects may lie there already.

    Returns:
        what became of each kind that is asked for.

    Raises:
        OutputError: results cannot be written.
    """
    made = {}
    for writer in writers:
        try:
            done = (writer.keep if kept else writer)(study, prediction)
        except OutputError:
            raise
        except OsteoLensError as error:
            writer.remove(prediction)
            done = Made(False, visible(error))
        except Exception as error:  # a broken object never loses a result that is written
            log.warning("objects of a study failed with %s", type(error).__name__)
            log.debug("details", exc_info=True)
            writer.remove(prediction)
            done = Made(False, f"{type(error).__name__} while the objects were made")
        if writer.is_asked:
            made[writer.kind] = done
    return made


def _digests(prediction: Prediction) -> dict[str, str]:
    return {image.path: image.sha256 for image in prediction.images}


def _stored(prediction: Prediction, out: Path) -> Prediction:
    """Write a study's JSON; the result as the file holds it."""
    document = prediction.as_json()
    write_json(out / "studies" / f"{prediction.study_uid}.json", document)
    return Prediction.from_json(document)


def _remove_pictures(study_uid: str, out: Path) -> None:
    """Remove the pictures of an earlier result of a study, which may have had other views."""
    for name in picture_names(study_uid):
        path = out / "overlays" / name
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error


def _write_overlays(output: ScreeningOutput, config: ScreeningConfig, out: Path) -> None:
    prediction = output.prediction
    for view, pixels in output.pixels.items():
        outlines, name = output.outlines.get(view, {}), f"{prediction.study_uid}_{view}"
        picture = overlay_png(prediction, view, pixels, config.overlay_px, outlines)
        write_whole(out / "overlays" / f"{name}.png", picture)
        if view in output.heat:
            hot = overlay_png(prediction, view, pixels, config.overlay_px, outlines, output.heat[view])
            write_whole(out / "overlays" / f"{name}{EXPLAINED}.png", hot)


@dataclass(frozen=True, slots=True)
class StandingResult:
    """An earlier result that holds for a study, and whether day and radiography system are those of now too."""

    prediction: Prediction
    is_of_day_and_system: bool


def result_path(study: Study, out: Path) -> Path:
    """The file of a study's result in a folder of results."""
    return out / "studies" / f"{study.study_uid}.json"


def standing_result(
    study: Study, out: Path, source: ModelIdentifiers, root: Path | None, digest: Callable[[Path], str]
) -> StandingResult | None:
    """An earlier result, if it is complete and came from the same weights, settings, patient, covariates and
    files, by their digests.

    Args:
        study: to screen.
        out: folder of results.
        source: identifiers of the weights and settings of this run.
        root: folder that paths are told from.
        digest: gives the digest of an image.
    """
    path = result_path(study, out)
    if not path.is_file():
        return None
    try:
        document = read_json(path)
        earlier = Prediction.from_json(document)
    except OsteoLensError:
        return None
    before = {image.path: image.sha256 for image in earlier.images}
    now = {told_path(image, root): digest(image) for _, image in study.images}
    now |= {told_path(image, root): before.get(told_path(image, root), "") for _, image, _ in study.set_aside}
    same = (
        document == earlier.as_json()
        and earlier.model == source
        and earlier.status is not Status.FAILED
        and earlier.patient_id == visible(study.patient_id)
        and earlier.covariates == stored_covariates(study.covariates)
        and before == now
        and _has_spacing_of(study, earlier)
    )
    if not same:
        return None
    system = None if study.system is None else visible(study.system)
    return StandingResult(earlier, (earlier.study_date, earlier.system) == (study.study_date, system))


def earlier_study(
    study: Study,
    out: Path,
    source: ModelIdentifiers,
    root: Path | None,
    writers: Sequence[ObjectWriter],
    digest: Callable[[Path], str] = digest_of,
) -> StoredStudy | None:
    """The `standing_result` of a study. Its date and radiography system, which change no class, are brought up to date.

    Args:
        study: to screen.
        out: folder of results.
        source: identifiers of the weights and settings of this run.
        root: folder that paths are told from.
        writers: of DICOM objects and FHIR resources.
        digest: gives the digest of an image.
    """
    standing = standing_result(study, out, source, root, digest)
    if standing is None:
        return None
    earlier = standing.prediction
    if not standing.is_of_day_and_system:
        system = None if study.system is None else visible(study.system)
        earlier = _stored(replace(earlier, study_date=study.study_date, system=system), out)
    return StoredStudy(row=row_of(earlier, 0.0), made=write_objects(study, earlier, writers, kept=True))


def _has_spacing_of(study: Study, earlier: Prediction) -> bool:
    """Whether plain images were screened with the spacing that the table gives now."""
    given = None if study.plain_spacing_mm is None else (study.plain_spacing_mm, study.plain_spacing_mm)
    plain = [view for view in earlier.views.values() if PurePath(view.image).suffix.lower() in PLAIN_SUFFIXES]
    return all(view.pixel_spacing_mm == given for view in plain)
