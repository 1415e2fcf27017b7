"""Data sets of an evaluation: the studies of each site and split, and all of those that no training saw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cohort.splits import SiteSplits, Split, split_of
from pipeline.evaluation.studies.flow import CountedStudy

ALL = "all"
"""Name of the pooled data set."""

NO_SITE = "no site"
"""Name of the studies without a site, where others have one."""

_PLACES: tuple[Split | None, ...] = (Split.TRAINING, Split.VALIDATION, None, Split.TEST)
"""Order of the data sets; those of the last kind that is there are pooled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Studies that are evaluated together.

    Attributes:
        name: of its site, with the split where the site has several; `all` for the pooled ones.
        split: what its studies are for; None where nothing says.
        studies: all of them, whatever became of them.
        parts: names of the data sets that are pooled in this one; empty for a single one.
    """

    name: str
    split: Split | None
    studies: tuple[CountedStudy, ...]
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Datasets:
    """Data sets in the order of the tables, the pooled one last, and studies of sites without any result."""

    datasets: tuple[Dataset, ...]
    without_results: dict[str, int]

    @property
    def pooled(self) -> Dataset:
        """All studies that are evaluated together: of test splits where there are any, never with those of training."""
        return self.datasets[-1]


def datasets_of(studies: Sequence[CountedStudy], sites: SiteSplits) -> Datasets:
    """Data sets by site and split; a site without any result is counted apart.

    Args:
        studies: at least one with a result.
        sites: which sites are for what, where no column says.
    """
    groups: dict[tuple[str | None, Split | None], list[CountedStudy]] = {}
    for study in studies:
        groups.setdefault((study.study.site, split_of(study.study, sites)), []).append(study)
    known = {key: group for key, group in groups.items() if any(study.has_result for study in group)}
    names = _names(list(groups))
    single = [
        Dataset(name=names[key], split=key[1], studies=tuple(known[key]))
        for key in sorted(known, key=lambda key: (_PLACES.index(key[1]), key[0] is None, key[0] or ""))
    ]
    absent = {names[key]: len(group) for key, group in groups.items() if key not in known}
    split = single[-1].split
    pooled = [dataset for dataset in single if dataset.split is split]
    if len(pooled) == 1:
        return Datasets(tuple(single), absent)
    everyone = tuple(study for dataset in pooled for study in dataset.studies)
    whole = Dataset(name=ALL, split=split, studies=everyone, parts=tuple(dataset.name for dataset in pooled))
    return Datasets((*single, whole), absent)


def _names(keys: Sequence[tuple[str | None, Split | None]]) -> dict[tuple[str | None, Split | None], str]:
    """A name for each site and split; no two are equal, and none but the pooled data set is called `all`."""
    sites = [site for site, _ in keys]
    names: dict[tuple[str | None, Split | None], str] = {}
    for site, split in keys:
        if site is None:
            name = ALL if len(keys) == 1 else NO_SITE
        else:
            name = f'site "{site}"' if site.casefold() in (ALL, NO_SITE) else site
        if sites.count(site) > 1:
            name = f"{name} ({split.value if split is not None else 'split unknown'})"
        names[site, split] = name
    return names
