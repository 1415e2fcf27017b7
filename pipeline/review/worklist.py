"""The worklist: what each study is, how much it asks for a look, and in which order studies are read."""

from __future__ import annotations

import hashlib
import hmac
import random
import secrets
from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cohort.bmd import BmdClass
from cohort.io.tables.join import CohortTables, read_cohort_tables
from cohort.spine import View
from cohort.study import Study
from osteolens.atomic import make_folder, write_whole
from osteolens.documents.text import visible
from osteolens.errors import ReadError
from pipeline.prediction import Status
from pipeline.review.options import ReviewOptions
from pipeline.review.summaries import ImagePlace, Summary, images_by_view, read_summaries

SURE_MARGIN = 2.2
"""Labelling margin from which a labelling raises no doubt. Source: `warn_margin` of detect/config.py."""

LENGTH_OF_LABEL = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One study of the worklist.

    Attributes:
        summary: of its result.
        path: of its result.
        study: joined with the tables of the cohort.
        label: pseudonym, or the patient's identifier where names are shown.
        images: the image that each view is shown by.
        doubt: how much it asks for a look, by `doubt_of`.
    """

    summary: Summary
    path: Path
    study: Study
    label: str
    images: Mapping[View, ImagePlace]
    doubt: float

    def as_json(self) -> dict[str, object]:
        """As the page shows it, without what the reader has done."""
        result, dxa = self.summary, self.study.dxa
        rejection = result.rejection
        return {
            "study_uid": result.study_uid,
            "label": self.label,
            "site": self.study.site,
            "status": result.status,
            "bmd_class": result.bmd_class,
            "probabilities": None if result.probabilities is None else result.probabilities.model_dump(),
            "t_score": result.t_score_estimate,
            "decision": result.decision,
            "rejection": None if rejection is None else {"code": rejection.code, "reason": rejection.code.meaning},
            "suspected_fractures": result.suspected_fractures,
            "dxa_class": None if dxa is None else dxa.bmd_class,
            "dxa_t_score": None if dxa is None else dxa.t_score,
            "disagrees": disagrees(result.bmd_class, None if dxa is None else dxa.bmd_class),
            "labelling_margin": result.labelling_margin,
            "doubt": round(self.doubt, 4),
            "views": list(self.images),
            "study_date": None if self.study.study_date is None else self.study.study_date.isoformat(),
        }

    def as_other_study(self, hidden: bool) -> dict[str, object]:
        """As it is told beside another study of the patient."""
        shown = self.as_json()
        result = {name: None if hidden else shown[name] for name in ("bmd_class", "t_score")}
        return {**{name: shown[name] for name in ("study_uid", "label", "study_date", "views")}, **result}

    def hidden(self, place: float) -> dict[str, object]:
        """As a reader of a study sees it, who is shown no result; `doubt` is the place in a random order."""
        unknown = dict.fromkeys(self.as_json())
        shown = {name: self.as_json()[name] for name in ("study_uid", "label", "views")}
        return {**unknown, "status": "to read", "suspected_fractures": [], **shown, "doubt": place}


@dataclass(frozen=True)
class Worklist:
    """Studies by study_uid, read once when the server starts: nothing else can be asked for.

    Attributes:
        entries: in the order in which they are read.
        options: who reviews, and what is hidden.
        damaged: one line for each result that cannot be used.
        notes: what is wrong with lines of the cohort's tables.
    """

    entries: Mapping[str, Entry]
    options: ReviewOptions
    damaged: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_json(self, reviewed: Iterable[str]) -> dict[str, object]:
        """As the page shows it.

        Args:
            reviewed: studies that the reader has saved.
        """
        done = set(reviewed)
        return {
            "studies": [{**row, "reviewed": uid in done} for uid, row in self._rows.items()],
            "mode": self.options.as_json(),
            "damaged": list(self.damaged),
        }

    @cached_property
    def _rows(self) -> dict[str, dict[str, object]]:
        if not self.options.reader_study:
            return {uid: entry.as_json() for uid, entry in self.entries.items()}
        count = len(self.entries)
        return {uid: entry.hidden(float(count - k)) for k, (uid, entry) in enumerate(self.entries.items())}

    @cached_property
    def _of_patient(self) -> dict[str, list[Entry]]:
        by_patient: dict[str, list[Entry]] = {}
        for entry in self.entries.values():
            by_patient.setdefault(entry.study.patient_id, []).append(entry)
        return by_patient

    def previous(self, entry: Entry) -> list[dict[str, object]]:
        """The patient's other studies, the latest first; without results where these are hidden."""
        others = [other for other in self._of_patient[entry.study.patient_id] if other is not entry]
        others.sort(key=lambda other: (str(other.study.study_date or ""), other.summary.study_uid), reverse=True)
        return [other.as_other_study(self.options.reader_study) for other in others]


def read_worklist(out: Path, cohort: Path | None, options: ReviewOptions) -> Worklist:
    """Every result of an output folder, joined with DXA and site by the rules of every command.

    Args:
        out: output folder of `osteolens process`; pseudonyms have their key in `out/review`.
        cohort: folder of cohort.csv and dxa.csv, or None.
        options: who reviews, and what is hidden.

    Raises:
        ReadError: no result that can be read, no such folder, or a table that cannot be read at all.
        OutputError: the key of pseudonyms cannot be written.
    """
    if cohort is not None and not cohort.is_dir():
        raise ReadError(f"{cohort}: no such folder; expected the cohort's images, cohort.csv or dxa.csv")
    read = read_summaries(out)
    wrong: list[str] = []
    tables = CohortTables() if cohort is None else read_cohort_tables(cohort, wrong)
    key = b"" if options.show_names else _key(out / "review")
    entries = [_entry(path, summary, tables, options, key) for path, summary in read.results.items()]
    return Worklist(
        entries={entry.summary.study_uid: entry for entry in _in_order(entries, options)},
        options=options,
        damaged=read.damaged,
        notes=tuple(wrong),
    )


def _entry(path: Path, summary: Summary, tables: CohortTables, options: ReviewOptions, key: bytes) -> Entry:
    study = tables.joined(summary.study)
    return Entry(
        summary=summary,
        path=path,
        study=study,
        label=visible(study.patient_id) if options.show_names else pseudonym(study.patient_id, key),
        images=images_by_view(summary.images),
        doubt=doubt_of(summary, None if study.dxa is None else study.dxa.bmd_class),
    )


def _in_order(entries: Sequence[Entry], options: ReviewOptions) -> list[Entry]:
    """The most doubtful first; in a reader study at random, the same each time for one reader and round."""
    if not options.reader_study:
        return sorted(entries, key=lambda entry: (-entry.doubt, entry.summary.study_uid))
    order = sorted(entries, key=lambda entry: entry.summary.study_uid)
    random.Random(options.name).shuffle(order)
    return order


def doubt_of(summary: Summary, dxa_class: BmdClass | None) -> float:
    """How much a study asks for a look; the sum of

    - 1 - (p1 - p2), with the two largest probabilities p1 and p2: from 0 (sure) to 1; 1 without probabilities;
    - 1 - margin / 2.2, with the smallest labelling margin of its views, between 0 (2.2 or more) and 1 (0 or less);
    - the number of classes between prediction and DXA: 0, 1 or 2; 0 where one of both is unknown;
    - 1 where a fracture is suspected;
    - 1 where the study was rejected, 2 where it failed.

    Args:
        summary: of the result.
        dxa_class: by DXA, None where unknown.
    """
    ambiguity = 1.0
    if summary.probabilities is not None:
        first, second, _ = sorted(summary.probabilities.by_class.values(), reverse=True)
        ambiguity = 1 - (first - second)
    margin = summary.labelling_margin
    labelling = 0.0 if margin is None else min(1.0, max(0.0, 1 - margin / SURE_MARGIN))
    status = {Status.SCREENED: 0.0, Status.REJECTED: 1.0, Status.FAILED: 2.0}[summary.status]
    return ambiguity + labelling + _apart(summary.bmd_class, dxa_class) + bool(summary.suspected_fractures) + status


def disagrees(predicted: BmdClass | None, dxa_class: BmdClass | None) -> bool | None:
    """Whether the class by DXA is another one; None where one of both is unknown."""
    return None if predicted is None or dxa_class is None else predicted is not dxa_class


def _apart(predicted: BmdClass | None, dxa_class: BmdClass | None) -> int:
    if predicted is None or dxa_class is None:
        return 0
    classes = tuple(BmdClass)
    return abs(classes.index(predicted) - classes.index(dxa_class))


def pseudonym(patient_id: str, key: bytes) -> str:
    """A name for a patient that the identifier cannot be found from without the key (HMAC-SHA-256)."""
    digest = hmac.new(key, patient_id.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    return f"P-{b32encode(digest).decode('ascii')[:LENGTH_OF_LABEL]}"


def _key(folder: Path) -> bytes:
    """The key of the pseudonyms of an output folder, made once.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / "pseudonyms.key"
    try:
        key = path.read_bytes()
    except OSError:
        key = b""
    if len(key) != 32:
        key = secrets.token_bytes(32)
        make_folder(folder)
        write_whole(path, key)
        path.chmod(0o600)
    return key
