"""What of a cohort folder can be used, what cannot, and why, without running a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydantic import Field

from cohort.eligibility import DEFAULT_CRITERIA, EligibilityCriteria, exclusions, reasons
from cohort.io.annotations import TO_CONFIRM, WAITING, Rois, check_inside
from cohort.io.folder import index_cohort
from cohort.io.radiograph import read_radiograph
from cohort.io.tables.findings import NAME as FINDINGS
from cohort.io.tables.join import CohortTables
from cohort.io.tables.notes import FolderTables, Kinds, notes_of, read_tables
from cohort.mapping.folder import ColumnsProposal, open_choices, propose_columns
from cohort.mapping.propose import FilmIds
from cohort.spine import TARGET_LEVELS, View
from cohort.splits import (
    DEFAULT_SITES,
    PATIENT_OF_TEST_SITE,
    PatientSides,
    SiteSplits,
    Split,
    evaluation_site,
    split_of,
    unknown_sites,
)
from cohort.study import Study
from osteolens.config import StrictConfig
from osteolens.documents.text import visible
from osteolens.errors import OsteoLensError
from osteolens.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the flow of patients: why studies leave, how many do, and how many stay."""

    reason: str
    left_out: int
    remaining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortCounts:
    """How many studies, patients and images a cohort folder holds.

    Attributes:
        studies: all of them.
        patients: all of them.
        ap_images: studies with an AP image.
        lateral_images: studies with a lateral image.
        images_of_unknown_view: images whose view neither header, name nor table gives.
        studies_with_both_views: an AP and a lateral image.
        studies_with_t_score: of L1-L4.
        studies_with_rois: ROIs of L1-L4 in both views.
        eligible: studies that meet every criterion.
    """

    studies: int
    patients: int
    ap_images: int
    lateral_images: int
    images_of_unknown_view: int
    studies_with_both_views: int
    studies_with_t_score: int
    studies_with_rois: int
    eligible: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortCheck:
    """What a cohort folder holds.

    Attributes:
        counts: of studies and images; None where a table cannot be read.
        flow: from the studies found to the eligible ones, in the order of the paper's Figure 1.
        splits: eligible studies by split (training, validation, each test site) and WHO class.
        skipped: files left out by reason.
        problems: what to mend, worst first.
        usable: whether anything can be trained on or evaluated.
        notes: what was written, and what is worth knowing.
        tables_alone: whether there are tables that can be read, and no radiographs.
    """

    counts: CohortCounts | None = None
    flow: tuple[Step, ...] = ()
    splits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    usable: bool = False
    notes: tuple[str, ...] = ()
    tables_alone: bool = False

    def as_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


class CheckConfig(StrictConfig):
    """Settings of `osteolens cohort check`."""

    criteria: EligibilityCriteria = Field(EligibilityCriteria(), description="who counts as eligible")
    sites: SiteSplits = Field(SiteSplits(), description="what sites are for, where their names say something else")


def check_cohort(
    folder: Path,
    criteria: EligibilityCriteria = DEFAULT_CRITERIA,
    images: bool = False,
    progress: Progress = silent,
    sites: SiteSplits = DEFAULT_SITES,
) -> CohortCheck:
    """Read every table and header of a cohort folder, and every image where `images` is set.

    Tables with columns of their own are read by columns.yaml; where there is none, one is proposed and written.

    Args:
        folder: as `index_cohort` takes it.
        criteria: of eligibility.
        images: also decode every image and check that its ROIs lie inside it.
        progress: called after every decoded image.
        sites: what sites are for, where their names say something else.

    Raises:
        ReadError: the folder does not exist.
    """
    proposal = propose_columns(folder, lambda: _ids_of_films(folder))
    choices = (*proposal.notes, *open_choices(proposal.tables))
    written = _written(proposal)
    tables = read_tables(folder)
    if tables.wrong["cohort.csv"] or tables.wrong["dxa.csv"] or tables.wrong[FINDINGS]:
        return CohortCheck(problems=(*choices, *notes_of(tables, ()).unreadable), notes=written)
    index = index_cohort(folder)
    rois, studies = tables.rois, index.studies
    if not studies and (tables.cohort is not None or tables.scans is not None):
        return _of_tables(tables, choices, written)
    problems = Kinds()
    planned = CohortTables.of(tables.cohort, tables.scans).unprocessed(studies)
    _patients(studies, planned, sites, problems)
    _studies(studies, rois, problems)
    if images:
        _images(studies, rois, problems, progress)
    eligible = [study for study in studies if not exclusions(study, criteria)]
    counts = _counts(studies, rois, len(eligible))
    return CohortCheck(
        counts=counts,
        flow=tuple(_flow(studies, criteria)),
        splits=_splits(eligible, sites),
        skipped=dict(Counter(item.reason for item in index.skipped)),
        problems=(
            *choices,
            *notes_of(tables, studies).lines,
            *unknown_sites(sites, [*studies, *planned]),
            *([f"{TO_CONFIRM}: {WAITING}"] if (folder / TO_CONFIRM).is_file() else []),
            *problems.lines(),
        ),
        usable=bool(eligible) or bool(counts.studies_with_rois),
        notes=written,
    )


def _of_tables(tables: FolderTables, choices: tuple[str, ...], written: tuple[str, ...]) -> CohortCheck:
    """A folder of tables without radiographs, as a hospital delivers them."""
    notes = notes_of(tables, ())
    lines = 0 if tables.cohort is None else len(tables.cohort.lines)
    scans = 0 if tables.scans is None else sum(map(len, tables.scans.scans.values()))
    alone = (
        f"no radiographs are here; {lines} lines and {scans} DXA scans can be read, which `osteolens cohort assemble "
        "TABLES FILMS OUT` joins to a folder of radiographs"
    )
    return CohortCheck(
        problems=(*choices, *notes.unreadable, *notes.doubled, *notes.encodings),
        notes=(*written, alone),
        tables_alone=not choices and not tables.open_columns,
    )


def _ids_of_films(folder: Path) -> FilmIds:
    studies = index_cohort(folder, with_tables=False).studies
    return FilmIds(
        patient_id=frozenset(study.patient_id for study in studies),
        study_uid=frozenset(study.study_uid for study in studies),
    )


def _written(proposal: ColumnsProposal) -> tuple[str, ...]:
    if proposal.written is None:
        return ()
    taken = sum(not c.is_open and c.meanings[0] is not None for table in proposal.tables for c in table.columns)
    files = ", ".join(visible(table.file) for table in proposal.tables)
    return (f"{proposal.written} was written: {taken} columns of {files}; read it before you go on",)


def _counts(studies: Sequence[Study], rois: Rois, eligible: int) -> CohortCounts:
    return CohortCounts(
        studies=len(studies),
        patients=len({study.patient_id for study in studies}),
        ap_images=sum(study.ap is not None for study in studies),
        lateral_images=sum(study.lateral is not None for study in studies),
        images_of_unknown_view=sum(len(study.images_of_unknown_view) for study in studies),
        studies_with_both_views=sum(study.ap is not None and study.lateral is not None for study in studies),
        studies_with_t_score=sum(study.dxa is not None and study.dxa.t_score is not None for study in studies),
        studies_with_rois=sum(all(_has_levels(rois, study.study_uid, view) for view in View) for study in studies),
        eligible=eligible,
    )


def _patients(studies: Sequence[Study], planned: Sequence[Study], sites: SiteSplits, problems: Kinds) -> None:
    """List patients with studies in several splits, and what training makes of them.

    A test study that stands in the tables alone counts too.
    """
    names: dict[str, set[str]] = {study.patient_id: set() for study in studies}
    tested = [study for study in planned if study.patient_id in names and split_of(study, sites) is Split.TEST]
    for study in (*studies, *tested):
        names[study.patient_id].add(_split_name(study, sites))
    sides = PatientSides.of([*studies, *tested], sites)
    elsewhere = {s.patient_id for s in studies if sides.why_left_out(s, sites) == PATIENT_OF_TEST_SITE}
    for patient, of_patient in names.items():
        if len(of_patient) < 2:
            continue
        if patient in elsewhere:
            kind = "patient at a test site and elsewhere, none of whose studies is trained on"
        elif patient in sides.test:
            kind = "patient at several test sites, whose studies are not independent"
        else:
            kind = "patient of training and of validation, whose other studies are not trained on"
        problems.add(kind, f"{visible(patient)} ({visible(', '.join(sorted(of_patient)))})")


def _studies(studies: Sequence[Study], rois: Rois, problems: Kinds) -> None:
    """List what single studies lack: views, ROIs, covariates."""
    for study in studies:
        for view, path in study.images:
            if view is None:
                problems.add("image whose view only the detector can tell", path.name)
            elif (study.study_uid, view) in rois and not _has_levels(rois, study.study_uid, view):
                missing = set(TARGET_LEVELS) - {box.level for box in rois[study.study_uid, view]}
                problems.add("view without ROIs of all of L1-L4", f"{study.study_uid} {view} ({', '.join(missing)})")
        covariates = study.covariates
        known = {"age_years": covariates.age_years, "sex": covariates.sex, "bmi_kg_m2": covariates.bmi_kg_m2}
        for name in (name for name, value in known.items() if value is None):
            problems.add(f"study without {name}", study.study_uid)


def _images(studies: Sequence[Study], rois: Rois, problems: Kinds, progress: Progress) -> None:
    images = [(study, view, path) for study in studies for view, path in study.images]
    for number, (study, view, path) in enumerate(images, start=1):
        try:
            radiograph = study.with_spacing(read_radiograph(path))
            if view is not None and (study.study_uid, view) in rois:
                check_inside(study.study_uid, view, rois[study.study_uid, view], radiograph.pixels.shape)
            if radiograph.pixel_spacing_mm is None:
                problems.add("image without pixel spacing", path.name)
        except OsteoLensError as error:
            problems.add("image that cannot be used", str(error))
        progress(number, len(images))


def _has_levels(rois: Rois, uid: str, view: View) -> bool:
    return set(TARGET_LEVELS) <= {box.level for box in rois.get((uid, view), ())}


def _split_name(study: Study, sites: SiteSplits) -> str:
    """What a study is for; a test site by its own name."""
    split = split_of(study, sites) or Split.TRAINING
    return evaluation_site(study) if split is Split.TEST else split.value


def _flow(studies: Sequence[Study], criteria: EligibilityCriteria) -> Iterable[Step]:
    """Steps of the flow of patients; a study is counted at the first criterion that it misses."""
    first = Counter(missed[0] for study in studies if (missed := exclusions(study, criteria)))
    remaining = len(studies)
    yield Step("found", 0, remaining)
    for reason in reasons(criteria):
        if first[reason]:
            remaining -= first[reason]
            yield Step(reason, first[reason], remaining)


def _splits(eligible: Sequence[Study], sites: SiteSplits) -> dict[str, dict[str, int]]:
    splits: dict[str, Counter[str]] = {}
    for study in eligible:
        if study.dxa is not None and study.dxa.bmd_class is not None:
            splits.setdefault(_split_name(study, sites), Counter())[study.dxa.bmd_class.value] += 1
    return {name: dict(sorted(classes.items())) for name, classes in sorted(splits.items())}
