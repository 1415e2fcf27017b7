"""What a de-identification did, what stayed and why. It names no input file and no identifier."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from cohort.deidentify.film import Ending, Film
from cohort.deidentify.profile import EDITION, KEPT_TEXTS, PATIENT_CHARACTERISTICS, Action
from cohort.io.walk import Skipped

MARKERS = "letters such as L and R are text as well; a detector that finds text is no proof that there is none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a run did.

    Attributes:
        films: one for each file.
        left_out: files and folders that were not followed, by reason.
        tables: tables that were written.
        table_notes: how many lines were left out.
        keeps_dates: whether dates were shifted; else they were removed.
    """

    films: tuple[Film, ...]
    left_out: dict[str, int]
    tables: tuple[str, ...]
    table_notes: tuple[str, ...]
    keeps_dates: bool

    def count(self, ending: Ending) -> int:
        """Files that ended so."""
        return sum(film.ending is ending for film in self.films)

    @property
    def refused(self) -> dict[str, int]:
        """Reasons why files were refused, without what a reader quotes from them in brackets."""
        reasons = (film.reason for film in self.films if film.ending is Ending.REFUSED)
        return dict(Counter(re.sub(r"\s*\(.*\)|'.*'", "", reason, flags=re.DOTALL) for reason in reasons))

    @property
    def stayed(self) -> dict[str, tuple[int, str]]:
        """Attributes that stayed: in how many files, and why."""
        kept = Counter(keyword for film in self.films for keyword in film.kept)
        return {keyword: (count, why_kept(keyword)) for keyword, count in sorted(kept.items())}

    @property
    def with_text(self) -> tuple[Film, ...]:
        """Films whose pixels hold suspected text, or whose header says so."""
        return tuple(film for film in self.films if film.text or film.burned_in_annotation == "YES")

    def as_json(self) -> dict[str, object]:
        """For a file that may lie beside the images."""
        actions: Counter[str] = Counter()
        for film in self.films:
            actions.update({str(action): count for action, count in film.counts})
        return {
            "profile": f"DICOM PS3.15 {EDITION} Annex E, basic application level confidentiality profile",
            "options": ["Retain Patient Characteristics: " + ", ".join(PATIENT_CHARACTERISTICS)]
            + (["Retain Longitudinal Temporal Information With Modified Dates"] if self.keeps_dates else []),
            "software": f"OsteoLens {version('osteolens')}",
            "files": {str(ending): self.count(ending) for ending in Ending},
            "refused": self.refused,
            "left_out": self.left_out,
            "attributes": dict(sorted(actions.items())),
            "stayed": {keyword: {"files": count, "why": why} for keyword, (count, why) in self.stayed.items()},
            "identifiers_found_in_kept_attributes": dict(Counter(word for film in self.films for word in film.found)),
            "suspected_text": [
                {
                    "file": film.output,
                    "boxes_px": [box.as_json() for box in film.text],
                    "blackened": film.blackened,
                    "BurnedInAnnotation": film.burned_in_annotation,
                }
                for film in self.with_text
            ],
            "suspected_text_note": MARKERS,
            "tables": list(self.tables),
            "table_lines_left_out": list(self.table_notes),
        }


def report_of(
    films: Sequence[Film], skipped: Sequence[Skipped], tables: Sequence[str], wrong: Sequence[str], keeps_dates: bool
) -> Report:
    """The report of a run; of lines of tables and files that were not followed only how many there are."""
    notes = Counter(match[0] if (match := re.match(r"(cohort|dxa|rois|readers)\.csv", line)) else "" for line in wrong)
    return Report(
        films=tuple(films),
        left_out=dict(Counter(item.reason.split(":")[0] for item in skipped)),
        tables=tuple(tables),
        table_notes=tuple(f"{name}: {count} lines" for name, count in sorted(notes.items())),
        keeps_dates=keeps_dates,
    )


def why_kept(keyword: str) -> str:
    """Why an attribute stayed."""
    if keyword in PATIENT_CHARACTERISTICS:
        return "Retain Patient Characteristics Option"
    if keyword == "PixelData":
        return "the image"
    if keyword in KEPT_TEXTS:
        return "outside table E.1-1; names a machine or is a code"
    return f"outside table E.1-1, or a value given by the standard ({Action.KEEP})"
