"""From saved results and a site's DXA to weights with the same networks and a new calibration."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path

from classify.calibration import Calibration
from cohort.bmd import BMD_CLASSES
from cohort.in_silico import notice_of
from cohort.io.digest import sha256_of
from cohort.io.new_folder import check_new, new_folder
from cohort.mapping.columns_file import table_files
from cohort.splits import Split, split_of
from osteolens.documents.text import visible
from osteolens.errors import ConfigError, ReadError, WeightsError
from osteolens.progress import Progress, silent
from osteolens.shipped import shipped_weights
from pipeline.bundle.load import Bundle, load_bundle
from pipeline.bundle.manifest import Manifest, Part, read_manifest, write_manifest
from pipeline.bundle.recalibration import Recalibration
from pipeline.evaluation.classification.cases import EvaluatedCases, cases_of
from pipeline.evaluation.estimable import result_json
from pipeline.evaluation.studies.flow import CountedStudy, Fate, Flow, counted_studies, flow_of
from pipeline.evaluation.studies.joined import EvaluatedStudy, is_of_sites, read_references
from pipeline.evaluation.studies.results import read_results
from pipeline.recalibration.config import DEFAULT_RECALIBRATION, RecalibrationConfig
from pipeline.recalibration.cross_validation import BeforeAndAfter, cross_validated
from pipeline.recalibration.refit import refit

NAMED = 3
"""Studies named where more are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalibratedWeights:
    """A written folder of weights.

    Attributes:
        folder: where it lies.
        release: its name.
        former: calibration before.
        fitted: calibration now.
        record: on whom it was fitted, as the manifest says.
        reasons: why each part of the calibration is new, or why it is not.
        figures: cross-validated.
        flow: what became of every study of results and tables.
        notes: what a user should know.
    """

    folder: Path
    release: str
    former: Calibration
    fitted: Calibration
    record: Recalibration
    reasons: Mapping[str, str]
    figures: BeforeAndAfter
    flow: Flow
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """One object."""
        return {
            "folder": str(self.folder),
            "release": self.release,
            "calibration": self.fitted.model_dump(mode="json"),
            "recalibration": self.record.model_dump(mode="json", exclude_none=True),
            "reasons": dict(self.reasons),
            "figures": result_json(self.figures),
            "flow": result_json(self.flow),
            "notes": list(self.notes),
        }


def recalibrate(
    results: Path,
    cohort: Path,
    out: Path,
    release: str,
    weights: Path | None = None,
    config: RecalibrationConfig = DEFAULT_RECALIBRATION,
    site: str | None = None,
    progress: Progress = silent,
) -> RecalibratedWeights:
    """Fit temperature, prediction sets, thresholds and, where it is off, the T-score anew, and write new weights.

    Runs no model and changes no network; the weights before stay as they are.

    Args:
        results: output folder of `osteolens process` with these weights on the site's studies.
        cohort: folder with cohort.csv or dxa.csv.
        out: new folder of weights.
        release: name of the new weights, another than that of the former ones.
        weights: folder of the former weights; the shipped ones when left out.
        config: whom to fit on.
        site: only studies of these sites, separated by commas.
        progress: told after every fold of the cross-validation.

    Raises:
        ConfigError: the folder is not new, the name is that of the former weights, studies are of a training split, or
            there are too few patients or classes.
        ReadError: no result or table can be read.
        WeightsError: the results were made with other weights, with several, or on manual ROIs.
    """
    check_new(out)
    source = shipped_weights() if weights is None else weights
    bundle, manifest = load_bundle(source), read_manifest(source)
    if not 1 <= len(release) <= 100 or release == bundle.version:
        raise ConfigError(
            f"--release {visible(release)!r}: expected 1 to 100 characters and another name than that of the weights "
            f"before, {bundle.version!r}, since every prediction names it"
        )
    chosen = _chosen(results, cohort, config, site)
    studies = [study.evaluated for study in chosen if study.fate is Fate.EVALUATED and study.evaluated is not None]
    _check_splits(studies, config)
    cases = cases_of(studies)
    if cases is None:
        raise ReadError(f"{results}: no study has a class and a T-score by DXA in {cohort}; see osteolens evaluate")
    _check_weights(studies, bundle)
    _check_counts(cases, config)
    fitted, figures = refit(cases, bundle.calibration), cross_validated(cases, bundle.calibration, config, progress)
    calibration = fitted.absolute(bundle.calibration)
    record = _record(cohort, studies, manifest, figures)
    _write(source, out, release, manifest, calibration, record)
    return RecalibratedWeights(
        folder=out,
        release=release,
        former=bundle.calibration,
        fitted=calibration,
        record=record,
        reasons=fitted.reasons,
        figures=figures,
        flow=flow_of(chosen),
        notes=_notes(studies, manifest, config),
    )


def _chosen(results: Path, cohort: Path, config: RecalibrationConfig, site: str | None) -> list[CountedStudy]:
    everyone = counted_studies(read_results(results), read_references(cohort), config.criteria)
    chosen = [study for study in everyone if is_of_sites(study.study, site)]
    if not chosen:
        raise ReadError(f"{results}: no study is of site {site!r} by {cohort / 'cohort.csv'}; leave --site out")
    return chosen


def _check_splits(studies: Sequence[EvaluatedStudy], config: RecalibrationConfig) -> None:
    trained = [s.prediction.study_uid for s in studies if split_of(s.study, config.sites) is Split.TRAINING]
    if trained:
        raise ConfigError(
            f"{len(trained)} of {len(studies)} studies are of a training split ({_first(trained)}); a calibration "
            "needs studies that training never saw; name other sites with --site, or say what sites are for with "
            "--set sites.validation=[NAME]"
        )


def _check_weights(studies: Sequence[EvaluatedStudy], bundle: Bundle) -> None:
    models = Counter(json.dumps(s.prediction.model.as_json(), sort_keys=True) for s in studies)
    model = studies[0].prediction.model
    if len(models) > 1:
        raise WeightsError(
            f"the results were made with {len(models)} different weights or settings; screen all of them with one: "
            "osteolens process FOLDER --out NEW"
        )
    if model.rois is not None:
        raise WeightsError("the results were made on manual ROIs; give results of osteolens process without them")
    if {"version": model.version, **model.hashes} != bundle.identifiers:
        raise WeightsError(
            f"the results were made with weights {visible(model.version)}, which are not {bundle.version} as they lie "
            "here; give their folder by --weights, or screen the studies with these"
        )


def _check_counts(cases: EvaluatedCases, config: RecalibrationConfig) -> None:
    patients = {c: len({p for p, k in zip(cases.patients, cases.labels, strict=True) if BMD_CLASSES[k] is c})
                for c in BMD_CLASSES}  # fmt: skip
    count = len(set(cases.patients.tolist()))
    counted = ", ".join(f"{number} {c}" for c, number in patients.items())
    if count < config.fewest_patients:
        raise ConfigError(
            f"{count} patients with a class and DXA ({counted}); a recalibration needs {config.fewest_patients} or more"
        )
    few = [c for c, number in patients.items() if number < config.fewest_of_a_class]
    if few:
        raise ConfigError(
            f"too few patients of {' and '.join(few)} ({counted}); a recalibration needs {config.fewest_of_a_class} or "
            "more of each class"
        )


def _record(
    cohort: Path, studies: Sequence[EvaluatedStudy], manifest: Manifest, figures: BeforeAndAfter
) -> Recalibration:
    days = sorted(s.study.study_date for s in studies if s.study.study_date is not None)
    classes = Counter(s.dxa.bmd_class for s in studies if s.dxa is not None)
    predicted = sorted(
        [s.prediction.study_uid, list(s.prediction.probabilities.values()), s.prediction.t_score] for s in studies
    )
    part = manifest.models.classifier
    return Recalibration(
        release=manifest.version,
        calibration=part.calibration,
        osteolens=version("osteolens"),
        fitted=datetime.now(UTC).date(),
        in_silico=bool(notice_of(cohort)),
        patients=len({s.patient_id for s in studies}),
        studies=len(studies),
        classes={c: classes[c] for c in BMD_CLASSES},
        first_study=_day(days, 0),
        last_study=_day(days, -1),
        tables={visible(path.name): sha256_of(path) for path in table_files(cohort)},
        results=hashlib.sha256(json.dumps(predicted).encode()).hexdigest(),
        cross_validated=_finite(asdict(figures)),
        earlier=part.recalibration,
    )


def _day(days: Sequence[date], place: int) -> date | None:
    return days[place] if days else None


def _finite(figures: dict[str, object]) -> dict[str, object]:
    """The same without numbers that cannot be given."""
    text = json.dumps(figures)
    found: dict[str, object] = json.loads(text, parse_constant=lambda _: None)
    return found


def _write(
    source: Path, out: Path, release: str, manifest: Manifest, calibration: Calibration, record: Recalibration
) -> None:
    """Copy every file, and write a manifest whose calibration is new; whole or not at all."""
    part = manifest.models.classifier.model_copy(update={"calibration": calibration, "recalibration": record})
    models = manifest.models.model_copy(update={Part.CLASSIFIER.value: part})
    with new_folder(out) as staging:
        for name in manifest.files:
            shutil.copyfile(source / name, staging / name)
        write_manifest(staging, release, manifest.notice, models)
        load_bundle(staging)


def _notes(studies: Sequence[EvaluatedStudy], manifest: Manifest, config: RecalibrationConfig) -> tuple[str, ...]:
    notes = []
    tested = sum(split_of(s.study, config.sites) is Split.TEST for s in studies)
    if tested:
        notes.append(f"{tested} studies are of a test split; they are no test of the new weights")
    if manifest.precisions:
        notes.append("the gates of other precisions were passed with the calibration before; run them again")
    notes.append(
        "classes stay those of the most probable class; a fraction of osteoporosis that differs from the training's is "
        "not corrected, and figures hold for patients like these alone"
    )
    return tuple(notes)


def _first(names: Sequence[str]) -> str:
    return ", ".join(map(visible, names[:NAMED])) + (", ..." if len(names) > NAMED else "")
