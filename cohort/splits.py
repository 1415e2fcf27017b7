"""What studies are for, by column, setting or name of the site; splits by patient, seeded and written down."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from cohort.bmd import BMD_CLASSES
from cohort.study import Split, Study
from osteolens.atomic import write_csv
from osteolens.config import StrictConfig
from osteolens.documents.text import visible
from osteolens.errors import ConfigError

__all__ = (
    "DEFAULT_SITES",
    "PATIENT_OF_TEST_SITE",
    "PATIENT_OF_VALIDATION",
    "TEST_SITE",
    "PatientSides",
    "SiteSplits",
    "Split",
    "evaluation_site",
    "fold_patients",
    "is_test_site",
    "split_by_patient",
    "split_of",
    "split_of_site",
    "unknown_sites",
    "write_split",
)  # fmt: skip

TEST_SITE, PATIENT_OF_TEST_SITE = "test site", "patient of a test site"
PATIENT_OF_VALIDATION = "patient of validation"
"""Why training leaves studies out, whatever the criteria of eligibility say."""

TEST_WORDS = frozenset({"test", "testing", "external", "holdout", "heldout", "prospective", "unseen"})
"""Words in the name of a site whose studies are for evaluation alone."""

_HOLD_OUT = re.compile(r"\b(hold|held)[\s_-]+out", re.ASCII)


class SiteSplits(StrictConfig):
    """What the studies of sites are for, where their names say something else; column `split` of cohort.csv rules."""

    training: tuple[str, ...] = Field((), description="sites to train on, whatever their names say")
    validation: tuple[str, ...] = Field((), description="sites to validate by")
    test: tuple[str, ...] = Field((), description="sites for evaluation alone")

    @model_validator(mode="after")
    def _each_site_once(self) -> SiteSplits:
        sites = [*dict.fromkeys(self.training), *dict.fromkeys(self.validation), *dict.fromkeys(self.test)]
        if twice := sorted({site for site in sites if sites.count(site) > 1}):
            raise ValueError(f"{', '.join(twice)} stands in several of training, validation and test; expected one")
        return self


DEFAULT_SITES = SiteSplits()
"""Nothing but the names of the sites tells."""


def split_of(study: Study, sites: SiteSplits = DEFAULT_SITES) -> Split | None:
    """What a study is for: by column `split` of cohort.csv, else the setting, else its site's name.

    Returns:
        None where nothing says what it is for; training takes such studies.
    """
    return study.split if study.split is not None else split_of_site(study.site, sites)


def split_of_site(site: str | None, sites: SiteSplits = DEFAULT_SITES) -> Split | None:
    """What a site is for, by the setting, else by its name; None where neither tells.

    A name tells, in any case: `test...` and one that holds the word test, testing, external, holdout (hold-out,
    held-out), prospective or unseen is for evaluation; `validation...`, `val`, `dev` and one that holds the word
    validation for validation; one that begins with the word training or train for training.
    """
    if site is None:
        return None
    for split, names in (
        (Split.TRAINING, sites.training),
        (Split.VALIDATION, sites.validation),
        (Split.TEST, sites.test),
    ):
        if site in names:
            return split
    name = unicodedata.normalize("NFKC", site).strip().casefold()
    words = re.findall(r"[^\W\d_]+", _HOLD_OUT.sub("holdout", name.replace("_", " ")))
    if name.startswith("test") or not TEST_WORDS.isdisjoint(words):
        return Split.TEST
    if name.startswith("validation") or "validation" in words:
        return Split.VALIDATION
    if name in ("val", "dev"):
        return Split.VALIDATION
    return Split.TRAINING if words[:1] in (["training"], ["train"]) else None


def unknown_sites(sites: SiteSplits, studies: Iterable[Study]) -> tuple[str, ...]:
    """A note where the settings name sites that no study is of, so that what they say has no effect."""
    known = {study.site for study in studies if study.site is not None}
    absent = sorted({*sites.training, *sites.validation, *sites.test} - known)
    if not absent:
        return ()
    found = ", ".join(visible(name) for name in sorted(known)) or "none"
    return (f"the settings sites name {', '.join(map(visible, absent))}, which no study is of; found {found}",)


def is_test_site(site: str | None, sites: SiteSplits = DEFAULT_SITES) -> bool:
    """Whether a site's studies are for evaluation alone, by the setting or its name (`test`, `test1`, `external`)."""
    return split_of_site(site, sites) is Split.TEST


def evaluation_site(study: Study) -> str:
    """How the test studies of a site are called; a site without a name, or with that of another split, says `test`."""
    if study.site in (None, Split.TRAINING.value, Split.VALIDATION.value):
        return Split.TEST.value if study.site is None else f"{study.site} ({Split.TEST})"
    return str(study.site)


@dataclass(frozen=True, slots=True)
class PatientSides:
    """Patients with a study for evaluation, and patients with a study for validation, by patient_id."""

    test: frozenset[str]
    validation: frozenset[str]

    @classmethod
    def of(cls, studies: Iterable[Study], sites: SiteSplits = DEFAULT_SITES) -> PatientSides:
        """The sides on which the patients of all given studies stand."""
        test, validation = set(), set()
        for study in studies:
            split = split_of(study, sites)
            if split is Split.TEST:
                test.add(study.patient_id)
            elif split is Split.VALIDATION:
                validation.add(study.patient_id)
        return cls(frozenset(test), frozenset(validation))

    def why_left_out(self, study: Study, sites: SiteSplits = DEFAULT_SITES) -> str | None:
        """Why training leaves a study out for what it, or another study of its patient, is for; None where it does not.

        A test study is neither trained on nor validated by, nor is any study of its patient; what a patient of
        validation has beside that is not trained on.
        """
        split = split_of(study, sites)
        if split is Split.TEST:
            return TEST_SITE
        if study.patient_id in self.test:
            return PATIENT_OF_TEST_SITE
        if split is not Split.VALIDATION and study.patient_id in self.validation:
            return PATIENT_OF_VALIDATION
        return None


def split_by_patient(studies: Sequence[Study], fraction: float, seed: int) -> tuple[list[Study], list[Study]]:
    """Training and held-out studies; all studies of a patient fall on one side, and both sides hold about the same
    mixture of classes, sexes and sites.

    Args:
        studies: to split.
        fraction: of the patients that are held out.
        seed: of the order in which patients of one class, sex and site are taken.

    Raises:
        ConfigError: fewer than two patients.
    """
    patients = _by_stratum(studies, seed)
    if len(patients) < 2:
        raise ConfigError(f"{len(patients)} patient found; a split needs at least 2, or give --validation")
    count = max(1, round(fraction * len(patients)))
    held = {patients[int((k + 0.5) * len(patients) / count)] for k in range(count)}
    return [s for s in studies if s.patient_id not in held], [s for s in studies if s.patient_id in held]


def fold_patients(studies: Sequence[Study], folds: int, seed: int) -> tuple[frozenset[str], ...]:
    """Patients of each fold of a cross-validation: every patient in one, as many of a class, sex and site in each as
    their numbers allow.

    Args:
        studies: of all patients.
        folds: how many, at least 2.
        seed: of the order in which patients of one class, sex and site are dealt.

    Raises:
        ConfigError: fewer patients than folds, or fewer than 3 patients, of whom one is to be validated by.
    """
    patients = _by_stratum(studies, seed)
    least = max(folds, 3)
    if folds < 2 or len(patients) < least:
        raise ConfigError(f"{folds} folds of {len(patients)} patients; expected 2 folds or more, and {least} patients")
    return tuple(frozenset(patients[k::folds]) for k in range(folds))


def _by_stratum(studies: Sequence[Study], seed: int) -> list[str]:
    """Patients by class, sex and site, in random order where these are the same; the class is that of the lowest
    T-score of a patient."""
    strata: dict[str, tuple[float, str, str]] = {}
    for study in sorted(studies, key=lambda study: study.study_uid):
        found = None if study.dxa is None else study.dxa.bmd_class
        place = len(BMD_CLASSES) if found is None else -BMD_CLASSES.index(found)
        stratum = (place, str(study.covariates.sex or ""), str(study.site or ""))
        former = strata.get(study.patient_id, stratum)
        strata[study.patient_id] = (min(place, former[0]), *former[1:])
    patients = sorted(strata)
    shuffled = [patients[k] for k in np.random.default_rng(seed).permutation(len(patients))]
    return sorted(shuffled, key=lambda patient: strata[patient])


def write_split(training: Sequence[Study], held_out: Sequence[Study], path: Path) -> None:
    """split.csv: study_uid, patient_id, split.

    Raises:
        OutputError: the table cannot be written.
    """
    sides = ((Split.TRAINING, training), (Split.VALIDATION, held_out))
    rows = [(study.study_uid, study.patient_id, split.value) for split, side in sides for study in side]
    write_csv(path, pd.DataFrame(rows, columns=["study_uid", "patient_id", "split"]))
