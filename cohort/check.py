"""What of a cohort folder can be used, what cannot, and why; before hours are spent on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cohort.eligibility import DEFAULT_CRITERIA, EligibilityCriteria, exclusions, reasons
from cohort.io.annotations import Rois, check_inside
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.io.tables.notes import Kinds, notes_of, read_tables
from cohort.spine import TARGET_LEVELS, View
from cohort.splits import VALIDATION_SITE, is_test_site
from cohort.study import Study
from osteolens.errors import OsteoLensError


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the flow of patients: why studies leave, how many do, and how many stay."""

    reason: str
    left_out: int
    remaining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortCheck:
    """What a cohort folder holds.

    Attributes:
        counts: studies, images by view, studies with both views, with a T-score, with ROIs of L1-L4 in both views.
        flow: from the studies found to the eligible ones, in the order of the paper's Figure 1.
        parts: eligible studies by part (training, validation, test sites) and WHO class.
        skipped: files left out by reason.
        problems: what to mend, worst first; the cohort can be used where `usable` says so.
        usable: whether anything can be trained on or judged.
    """

    counts: dict[str, int]
    flow: tuple[Step, ...]
    parts: dict[str, dict[str, int]]
    skipped: dict[str, int]
    problems: tuple[str, ...]
    usable: bool

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def check_cohort(
    folder: Path,
    criteria: EligibilityCriteria = DEFAULT_CRITERIA,
    images: bool = False,
    done: Callable[[int, int], None] = lambda _now, _all: None,
) -> CohortCheck:
    """Read every table and header of a cohort folder, and every image if asked to.

    Args:
        folder: as `index_cohort` takes it.
        criteria: of eligibility.
        images: also decode every image and hold its ROIs against its size.
        done: called with how many images of all are read.

    Raises:
        ReadError: the folder does not exist.
    """
    tables = read_tables(folder)
    if tables.wrong["cohort.csv"] or tables.wrong["dxa.csv"]:
        return CohortCheck(
            counts={}, flow=(), parts={}, skipped={}, problems=notes_of(tables, ()).unreadable, usable=False
        )
    index = index_cohort(folder)
    rois, studies = tables.rois, index.studies
    problems = Kinds()
    _patients(studies, problems)
    _studies(studies, rois, problems)
    if images:
        _images(studies, rois, problems, done)
    eligible = [study for study in studies if not exclusions(study, criteria)]
    with_rois = [s for s in studies if all(_has_levels(rois, s.study_uid, view) for view in View)]
    counts = {
        "studies": len(studies),
        "patients": len({s.patient_id for s in studies}),
        "ap_images": sum(s.ap is not None for s in studies),
        "lateral_images": sum(s.lateral is not None for s in studies),
        "images_of_unknown_view": sum(len(s.unsorted) for s in studies),
        "studies_with_both_views": sum(s.ap is not None and s.lateral is not None for s in studies),
        "studies_with_t_score": sum(s.dxa is not None and s.dxa.t_score is not None for s in studies),
        "studies_with_rois": len(with_rois),
        "eligible": len(eligible),
    }
    return CohortCheck(
        counts=counts,
        flow=tuple(_flow(studies, criteria)),
        parts=_parts(eligible),
        skipped=dict(Counter(item.reason for item in index.skipped)),
        problems=(*notes_of(tables, studies).lines, *problems.lines()),
        usable=bool(studies) and (bool(eligible) or bool(with_rois)),
    )


def _patients(studies: Sequence[Study], problems: Kinds) -> None:
    """A patient on several sides of the split would be trained on and judged."""
    parts: dict[str, set[str]] = {}
    for study in studies:
        parts.setdefault(study.patient_id, set()).add(_part(study))
    for patient, own in parts.items():
        if len(own) > 1:
            problems.add("patient on several sides of the split", f"{patient} ({', '.join(sorted(own))})")


def _studies(studies: Sequence[Study], rois: Rois, problems: Kinds) -> None:
    """What single studies lack."""
    for study in studies:
        for view, path in study.images:
            if view is None:
                problems.add("image whose view only the detector can tell", path.name)
            elif (study.study_uid, view) in rois and not _has_levels(rois, study.study_uid, view):
                missing = set(TARGET_LEVELS) - {box.level for box in rois[study.study_uid, view]}
                problems.add("view without ROIs of all of L1-L4", f"{study.study_uid} {view} ({', '.join(missing)})")
        covariates = study.covariates
        lacking = [n for n in ("age_years", "sex", "bmi_kg_m2") if getattr(covariates, n) is None]
        for name in lacking:
            problems.add(f"study without {name}", study.study_uid)


def _images(studies: Sequence[Study], rois: Rois, problems: Kinds, done: Callable[[int, int], None]) -> None:
    every = [(study, view, path) for study in studies for view, path in study.images]
    for number, (study, view, path) in enumerate(every, start=1):
        try:
            radiograph = read_radiograph(path)
            if view is not None and (study.study_uid, view) in rois:
                check_inside(study.study_uid, view, rois[study.study_uid, view], radiograph.pixels.shape)
            if radiograph.pixel_spacing_mm is None:
                problems.add("image without pixel spacing", path.name)
        except OsteoLensError as error:
            problems.add("image that cannot be used", str(error))
        done(number, len(every))


def _has_levels(rois: Rois, uid: str, view: View) -> bool:
    return set(TARGET_LEVELS) <= {box.level for box in rois.get((uid, view), ())}


def _part(study: Study) -> str:
    if study.site is not None and is_test_site(study.site):
        return study.site
    return VALIDATION_SITE if study.site == VALIDATION_SITE else "training"


def _flow(studies: Sequence[Study], criteria: EligibilityCriteria) -> Iterable[Step]:
    """Each study leaves for the first criterion that it misses."""
    first = Counter(missed[0] for study in studies if (missed := exclusions(study, criteria)))
    remaining = len(studies)
    yield Step("found", 0, remaining)
    for reason in reasons(criteria):
        if first[reason]:
            remaining -= first[reason]
            yield Step(reason, first[reason], remaining)


def _parts(eligible: Sequence[Study]) -> dict[str, dict[str, int]]:
    parts: dict[str, Counter[str]] = {}
    for study in eligible:
        if study.dxa is not None and study.dxa.bmd_class is not None:
            parts.setdefault(_part(study), Counter())[study.dxa.bmd_class.value] += 1
    return {name: dict(sorted(own.items())) for name, own in sorted(parts.items())}
