"""Items of the reporting guidelines, and where this report answers them.

Item numbers are those of STARD 2015 (Bossuyt et al., BMJ 351:h5527), STARD-AI (Sounderajah et al., Nature Medicine
2025, doi 10.1038/s41591-025-03953-8), TRIPOD+AI (Collins et al., BMJ 2024;385:e078378) and the 2024 update of CLAIM
(Tejani et al., Radiology: Artificial Intelligence 2024, doi 10.1148/ryai.240300).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

AUTHORS = "to be stated by the authors"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistItem:
    """One topic of the guidelines.

    Attributes:
        topic: what is to be reported.
        stard: items of STARD 2015.
        stard_ai: of STARD-AI.
        tripod_ai: of TRIPOD+AI.
        claim: of CLAIM, 2024 update.
        places: names of tables, and first words of names of figures, that answer it.
        text: what answers it besides, or what the authors have to add.
    """

    topic: str
    stard: str = ""
    stard_ai: str = ""
    tripod_ai: str = ""
    claim: str = ""
    places: tuple[str, ...] = ()
    text: str = ""


ITEMS = (
    ChecklistItem(topic="Title and abstract", stard="1, 2", stard_ai="1, 2", tripod_ai="1, 2", claim="1, 2"),
    ChecklistItem(
        topic="Background, intended use and clinical role", stard="3", stard_ai="3", tripod_ai="3a-3c", claim="3"
    ),
    ChecklistItem(topic="Objectives and hypotheses", stard="4", stard_ai="4", tripod_ai="4", claim="4, 6"),
    ChecklistItem(topic="Prospective or retrospective", stard="5", stard_ai="5", claim="5"),
    ChecklistItem(topic="Ethics and consent", stard_ai="6, 35", tripod_ai="17"),
    ChecklistItem(
        topic="Eligibility criteria",
        stard="6",
        stard_ai="7",
        tripod_ai="6b",
        claim="8, 10",
        places=("flow",),
        text="criteria: see Provenance",
    ),
    ChecklistItem(
        topic="How, where and when patients were identified, and whether consecutively",
        stard="7-9",
        stard_ai="8-10",
        tripod_ai="5b, 6a",
        claim="7",
    ),
    ChecklistItem(
        topic="Sources of data", stard_ai="11", tripod_ai="5a", claim="7", places=("population",), text=AUTHORS
    ),
    ChecklistItem(topic="De-identification", claim="11"),
    ChecklistItem(topic="Annotators of manual ROIs and their agreement", stard_ai="12", claim="16-18"),
    ChecklistItem(
        topic="Devices, acquisition and preprocessing",
        stard_ai="13, 14",
        tripod_ai="7",
        claim="9, 13",
        places=("subgroups",),
        text=AUTHORS,
    ),
    ChecklistItem(
        topic="Index test and its version",
        stard="10a",
        stard_ai="15a",
        tripod_ai="12g, 22",
        claim="22, 23",
        text="version, weights and settings: see Provenance",
    ),
    ChecklistItem(
        topic="Development of the index test and separation of the data",
        stard_ai="15b",
        tripod_ai="12a, 12c",
        claim="19, 20, 24-27",
        text="model card; to be stated by the authors for own training",
    ),
    ChecklistItem(
        topic="Thresholds of the index test",
        stard="12a",
        stard_ai="15c",
        tripod_ai="15",
        places=("operating_points",),
        text="whether chosen beforehand: to be stated by the authors",
    ),
    ChecklistItem(
        topic="Reference standard, its rationale and its categories",
        stard="10b, 11, 12b",
        stard_ai="16a-16c",
        tripod_ai="8a",
        claim="14, 15",
        text="WHO class of the L1-L4 T-score by DXA",
    ),
    ChecklistItem(
        topic="What was known to those who read the index test and the reference",
        stard="13a, 13b",
        stard_ai="17a, 17b",
        tripod_ai="8c",
        text="predictions are made without DXA; for DXA to be stated by the authors",
    ),
    ChecklistItem(topic="Sample size", stard="18", stard_ai="22", tripod_ai="10", claim="21", places=("sample_size",)),
    ChecklistItem(
        topic="Indeterminate results and missing data",
        stard="15, 16",
        stard_ai="19, 20",
        tripod_ai="11",
        claim="12",
        places=("flow", "intention_to_diagnose", "population"),
    ),
    ChecklistItem(
        topic="Methods for accuracy, comparison and uncertainty",
        stard="14",
        stard_ai="18",
        tripod_ai="12e",
        claim="28, 29",
        text="notes of the tables",
    ),
    ChecklistItem(
        topic="Variability and heterogeneity of accuracy",
        stard="17",
        stard_ai="21",
        tripod_ai="12d, 23b",
        claim="30",
        places=("subgroups", "interactions"),
    ),
    ChecklistItem(
        topic="Error analysis", stard_ai="23", claim="39", places=("errors", "quality_control"), text="errors.html"
    ),
    ChecklistItem(
        topic="Fairness", stard_ai="23, 35", tripod_ai="14", places=("subgroups", "interactions"), text=AUTHORS
    ),
    ChecklistItem(topic="Explainability", claim="31", text="heat maps of osteolens process --explain, where made"),
    ChecklistItem(
        topic="Flow of participants, with a diagram",
        stard="19",
        stard_ai="(item on the flow)",
        tripod_ai="20a",
        claim="35",
        places=("flow",),
    ),
    ChecklistItem(
        topic="Characteristics of the patients",
        stard="20",
        stard_ai="25",
        tripod_ai="20b",
        claim="36",
        places=("population",),
    ),
    ChecklistItem(
        topic="Severity of disease and other diagnoses",
        stard="21a, 21b",
        stard_ai="26a, 26b",
        places=("population", "detection_by_finding"),
    ),
    ChecklistItem(
        topic="Time between index test and reference",
        stard="22",
        stard_ai="27",
        text="at most max_dxa_days of the criteria: see Provenance",
    ),
    ChecklistItem(
        topic="Representativeness and differences from the training data",
        stard_ai="28, 29",
        tripod_ai="16, 20c",
        claim="32, 33",
        places=("population",),
        text=AUTHORS,
    ),
    ChecklistItem(topic="Numbers in each analysis", tripod_ai="21", claim="36", text="column studies of each table"),
    ChecklistItem(topic="Cross tabulation against the reference", stard="23", stard_ai="30", places=("confusion",)),
    ChecklistItem(
        topic="Estimates of accuracy with their precision",
        stard="24",
        stard_ai="31",
        tripod_ai="23a",
        claim="37, 38",
        places=("classification", "osteoporosis", "operating_points", "roc"),
    ),
    ChecklistItem(topic="Calibration", tripod_ai="12e, 23a", claim="37", places=("calibration", "t_score_calibration")),
    ChecklistItem(topic="Clinical utility", tripod_ai="12e, 23a", places=("net_benefit", "decision")),
    ChecklistItem(topic="Adverse events", stard="25", stard_ai="32"),
    ChecklistItem(
        topic="Limitations and implications",
        stard="26, 27",
        stard_ai="33, 34",
        tripod_ai="25, 26, 27c",
        claim="40, 41",
    ),
    ChecklistItem(
        topic="Registration, protocol, funding and interests",
        stard="28-30",
        stard_ai="36, 37, 39",
        tripod_ai="18a-18d",
        claim="34, 42, 44",
    ),
    ChecklistItem(topic="Patient and public involvement", tripod_ai="19"),
    ChecklistItem(topic="Availability of data and code", stard_ai="40a, 40b", tripod_ai="18e, 18f", claim="43"),
)


def checklist_table(tables: Mapping[str, str], figures: Mapping[str, str]) -> pd.DataFrame:
    """Every topic with its item numbers and the place that answers it.

    Args:
        tables: labels, such as "Table 3", by name of the table.
        figures: labels by name of the figure.
    """
    rows = [
        {
            "topic": item.topic,
            "STARD 2015": item.stard,
            "STARD-AI": item.stard_ai,
            "TRIPOD+AI": item.tripod_ai,
            "CLAIM 2024": item.claim,
            "where": "; ".join((*_labels(item.places, tables, figures), *filter(None, (item.text,)))) or AUTHORS,
        }
        for item in ITEMS
    ]
    return pd.DataFrame(rows)


def _labels(places: tuple[str, ...], tables: Mapping[str, str], figures: Mapping[str, str]) -> list[str]:
    found = [tables[place] for place in places if place in tables]
    for place in places:
        own = [label for name, label in figures.items() if name == place or name.startswith(f"{place}_")]
        found += own if len(own) < 2 else [f"{own[0]} to {own[-1].removeprefix('Figure ')}"]
    return found
