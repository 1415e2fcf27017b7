"""Every table of an evaluation: its place, title and caption, once for the terminal, the report and its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd

from pipeline.report_page.captions import Caption, words_of


class TableGroup(StrEnum):
    """What tables are about, in the order in which they are read."""

    POPULATION = "Who was evaluated"
    CLASSIFICATION = "Classification"
    CALIBRATION = "Calibration"
    DECISIONS = "Operating points and decisions"
    SUBGROUPS = "Subgroups"
    DETECTION = "Detection and quality control"
    COMPARISONS = "Comparisons"
    REPORTING = "Provenance and reporting guidelines"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationTable:
    """One table of an evaluation.

    Attributes:
        name: by which `Evaluation.tables` holds it, and of its files.
        group: under which it stands.
        title: without a full stop.
        note: how to read it.
        on_terminal: whether the terminal shows it; the report shows all.
    """

    name: str
    group: TableGroup
    title: str
    note: str = ""
    on_terminal: bool = True

    @property
    def caption(self) -> Caption:
        """Title and note."""
        return Caption(self.title, self.note)


AT_MOST_PROBABLE = (
    "At the most probable class. AUC with its DeLong interval on the logit scale; proportions with Wilson intervals "
    "with continuity correction, clustered by patient where patients have several studies."
)

OF_PAPER = (
    "Lines of the paper are of patients, by Mao et al. 2022, doi 10.3389/fendo.2022.971877; metrics at the most "
    "probable class, with Wilson intervals with continuity correction."
)

TABLES = (
    EvaluationTable(
        name="population",
        group=TableGroup.POPULATION,
        title="Population",
        note="p compares the sites, by the test beside it.",
        on_terminal=False,
    ),
    EvaluationTable(
        name="evaluated_or_not",
        group=TableGroup.POPULATION,
        title="Evaluated studies against those without a class",
        on_terminal=False,
    ),
    EvaluationTable(
        name="flow",
        group=TableGroup.POPULATION,
        title="Flow of studies",
        note="Every study is counted once, at the first reason for which it leaves.",
    ),
    EvaluationTable(
        name="classification",
        group=TableGroup.CLASSIFICATION,
        title="Agreement with DXA, all classes together",
        note="Macro AUC: mean of the three classes against the rest, with its bootstrap interval.",
    ),
    EvaluationTable(
        name="osteoporosis",
        group=TableGroup.CLASSIFICATION,
        title="Osteoporosis against the rest",
        note=f"All inputs that each study has. {AT_MOST_PROBABLE}",
    ),
    EvaluationTable(
        name="osteopenia",
        group=TableGroup.CLASSIFICATION,
        title="Osteopenia against the rest",
        note=AT_MOST_PROBABLE,
        on_terminal=False,
    ),
    EvaluationTable(
        name="normal",
        group=TableGroup.CLASSIFICATION,
        title="Normal bone density against the rest",
        note=AT_MOST_PROBABLE,
        on_terminal=False,
    ),
    EvaluationTable(
        name="confusion",
        group=TableGroup.CLASSIFICATION,
        title="Confusion matrix",
        note="Studies: rows by DXA, columns by prediction.",
        on_terminal=False,
    ),
    EvaluationTable(
        name="errors",
        group=TableGroup.CLASSIFICATION,
        title="Misclassified studies",
        note="The largest errors first; errors.html shows their pictures.",
        on_terminal=False,
    ),
    EvaluationTable(
        name="calibration",
        group=TableGroup.CALIBRATION,
        title="Calibration of the predicted probabilities",
        note="Perfect calibration has intercept 0, slope 1, observed/expected 1 and an integrated calibration index "
        "(ICI) of 0.",
    ),
    EvaluationTable(
        name="t_score_calibration",
        group=TableGroup.CALIBRATION,
        title="Calibration of the estimated T-score",
        note="DXA regressed on the estimate; perfect calibration has intercept 0 and slope 1.",
    ),
    EvaluationTable(
        name="operating_points",
        group=TableGroup.DECISIONS,
        title="Operating points of osteoporosis",
        note="A threshold that is chosen on these studies does better on them than it will on others.",
    ),
    EvaluationTable(
        name="intention_to_diagnose",
        group=TableGroup.DECISIONS,
        title="Intention to diagnose",
        note="Every study with a reference counts. The bounds take rejected, failed and unprocessed studies as not "
        "called osteoporotic, and as referred to DXA.",
    ),
    EvaluationTable(
        name="predictive_values",
        group=TableGroup.DECISIONS,
        title="Predictive values at a stated prevalence",
        note="By sensitivity and specificity (Mercaldo 2007); the prevalence is the setting of that name.",
    ),
    EvaluationTable(
        name="net_benefit",
        group=TableGroup.DECISIONS,
        title="Net benefit of osteoporosis",
        note="Against DXA for everyone and DXA for no one (Vickers and Elkin 2006).",
        on_terminal=False,
    ),
    EvaluationTable(
        name="sample_size",
        group=TableGroup.DECISIONS,
        title="Studies that a planned evaluation needs",
        on_terminal=False,
    ),
    EvaluationTable(
        name="subgroups",
        group=TableGroup.SUBGROUPS,
        title="Osteoporosis in subgroups",
        note="An AUC is given where each side has enough studies (setting fewest_cases).",
        on_terminal=False,
    ),
    EvaluationTable(
        name="interactions",
        group=TableGroup.SUBGROUPS,
        title="Whether subgroups differ",
        note="p by Cochran's Q over the groups, then by Holm over all tests.",
        on_terminal=False,
    ),
    EvaluationTable(
        name="detection",
        group=TableGroup.DETECTION,
        title="Detection by view and level",
        note="Boxes against the cohort's manual ROIs; a level that was not found counts as no overlap. Distances at "
        "the detector plane.",
    ),
    EvaluationTable(
        name="detection_by_site",
        group=TableGroup.DETECTION,
        title="Detection by site",
        note="Both views; all right: every manual ROI of L1-L4 has a box of its level at an intersection over union "
        "of 0.5 or more.",
    ),
    EvaluationTable(
        name="detection_by_finding",
        group=TableGroup.DETECTION,
        title="Detection by finding",
        note="Studies that the criteria exclude are among them.",
    ),
    EvaluationTable(
        name="fractures",
        group=TableGroup.DETECTION,
        title="Suspected fractures",
        note="Against the losses of height that cohort.csv states.",
    ),
    EvaluationTable(
        name="quality_control",
        group=TableGroup.DETECTION,
        title="Quality control",
        note="Studies that were rejected, had levels left out or were warned of.",
    ),
    EvaluationTable(
        name="input_ablation",
        group=TableGroup.COMPARISONS,
        title="What each part of the inputs is worth",
        note="Paired DeLong of the osteoporosis AUC on the same studies.",
    ),
    EvaluationTable(
        name="stage_attribution",
        group=TableGroup.COMPARISONS,
        title="Stage attribution",
        note="The same classifier on manual ROIs, on those of the studies that pass quality control, and on the "
        "detector's. The difference is the detector's ROIs minus manual ones on the same studies, paired.",
    ),
    EvaluationTable(
        name="table_2_images",
        group=TableGroup.COMPARISONS,
        title="Osteoporosis, images alone, beside Table 2 of Mao et al. 2022",
        note=f"Studies with both views. {OF_PAPER}",
        on_terminal=False,
    ),
    EvaluationTable(
        name="table_3_confusion",
        group=TableGroup.COMPARISONS,
        title="Confusion matrices beside Table 3 of Mao et al. 2022",
        note="Rows by DXA, columns by prediction; the paper's are of images alone.",
        on_terminal=False,
    ),
    EvaluationTable(
        name="table_4_covariates",
        group=TableGroup.COMPARISONS,
        title="Osteoporosis, with age, sex and BMI, beside Table 4 of Mao et al. 2022",
        note=f"Studies with both views. {OF_PAPER}",
        on_terminal=False,
    ),
    EvaluationTable(
        name="provenance",
        group=TableGroup.REPORTING,
        title="Provenance",
        note="Versions, weights, command, settings and criteria, and digests of the cohort's tables.",
        on_terminal=False,
    ),
    EvaluationTable(
        name="checklist",
        group=TableGroup.REPORTING,
        title="Items of STARD 2015, STARD-AI, TRIPOD+AI and CLAIM 2024, and where this report answers them",
        on_terminal=False,
    ),
)
"""In the order in which they are read and numbered."""

BY_NAME = {table.name: table for table in TABLES}


def in_order(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables in the order of TABLES; one that does not stand there comes last."""
    known = [table.name for table in TABLES if table.name in tables]
    return {name: tables[name] for name in (*known, *(name for name in tables if name not in BY_NAME))}


def group_of(name: str) -> TableGroup:
    """The group of a table; one that does not stand in TABLES is a comparison."""
    return BY_NAME[name].group if name in BY_NAME else TableGroup.COMPARISONS


def captions(names: Iterable[str]) -> dict[str, Caption]:
    """Captions by name; a table that does not stand in TABLES is called by its name."""
    return {name: BY_NAME[name].caption if name in BY_NAME else Caption(words_of(name)) for name in names}


def by_group(tables: Mapping[str, pd.DataFrame]) -> dict[TableGroup, list[EvaluationTable]]:
    """The tables that have rows, by group; groups without any are left out."""
    shown = [table for table in TABLES if table.name in tables and len(tables[table.name])]
    return {group: own for group in TableGroup if (own := [table for table in shown if table.group is group])}
