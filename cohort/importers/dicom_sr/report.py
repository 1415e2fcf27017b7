"""One report as a flat list of regions.

Source: DICOM PS3.16 TID 1500, TID 1410, TID 1501; PS3.3 C.18.6 (spatial coordinates).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cohort.importers.dicom_sr.content import REPORT_CLASSES, code_of, concept_of, items_of
from cohort.importers.drawn import Corners
from cohort.importers.level_names import level_of
from cohort.io.dicom.attributes import VALUE_ERRORS, Attributes
from cohort.io.view_names import view_from_text
from cohort.spine import VertebralLevel, View
from osteolens.documents.text import visible
from osteolens.errors import ReadError

MAX_POINTS = 2_000
"""Points of a region."""

GROUP, REGION_TYPES = ("125007", "DCM"), ("POLYLINE", "POLYGON")
ROUND, SECOND = ("READING_ROUND", "99OSTEOLENS"), ("ROUND_2", "99OSTEOLENS")
"""How our own report of a reader says that it is a second reading."""

OBSERVER, TRACKING, COMMENT, FINDING = ("121008", "DCM"), ("112039", "DCM"), ("121106", "DCM"), ("121071", "DCM")
SITES = (("363698007", "SCT"), ("G-C0E3", "SRT"))
NO_NAMES = frozenset({"", "unknown^unknown", "unknown"})
"""What viewers write where they know no observer."""

LEVEL_CODES = {
    ("66794005", "SCT"): VertebralLevel.L1,
    ("14293000", "SCT"): VertebralLevel.L2,
    ("36470004", "SCT"): VertebralLevel.L3,
    ("11994002", "SCT"): VertebralLevel.L4,
}
"""SNOMED CT codes of bodies (DICOM PS3.16 CID 7602)."""

AUTOMATIC = "OsteoLens"
"""Manufacturer of our own reports; where they name no person, no reader has drawn or confirmed their boxes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One box on one image.

    Attributes:
        level: of the vertebra.
        view: by its words, or None.
        image_uid: SOPInstanceUID of the image.
        corners: (x0, y0, x1, y1) in pixels of the stored image.
    """

    level: VertebralLevel
    view: View | None
    image_uid: str
    corners: Corners


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Boxes of one report.

    Attributes:
        path: of its file.
        uid: SOPInstanceUID.
        moment: day and time of its content, as text that sorts.
        observer: name of the reader, empty where it is not told; with `.2` for our own report of a second reading.
        is_automatic: whether it is our own, of no reader.
        replaces: SOPInstanceUID of reports that it replaces.
        regions: boxes.
        left_out: (label, reason) of each group that is no box of a level.
    """

    path: Path
    uid: str
    moment: str
    observer: str
    is_automatic: bool
    replaces: frozenset[str]
    regions: tuple[Region, ...]
    left_out: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Group:
    """What one measurement group says."""

    texts: list[str] = field(default_factory=list)
    coded: set[VertebralLevel] = field(default_factory=set)
    regions: list[Dataset] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Its words, for messages."""
        return visible("; ".join(self.texts)[:80])


def is_report(attributes: Attributes) -> bool:
    """Whether a file is a structured report."""
    return attributes.text("SOPClassUID") in REPORT_CLASSES or attributes.text("Modality") == "SR"


def read_report(attributes: Attributes, path: Path) -> Report:
    """Boxes of a report.

    Args:
        attributes: of the file.
        path: of the file.

    Raises:
        ReadError: too many items, too deep, or without a readable content tree.
    """
    name, dataset = visible(path.name), attributes.dataset
    if dataset.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise ReadError(f"{name}: a deflated report; export it uncompressed")
    try:
        items = list(items_of(dataset, name))
        replaces = frozenset(_replaced(dataset))
    except (*VALUE_ERRORS, RuntimeError) as error:
        raise ReadError(f"{name}: the report is damaged ({type(error).__name__}); export it again") from error
    groups = [item for item in items if concept_of(item) == GROUP]
    regions: list[Region] = []
    left_out: list[tuple[str, str]] = []
    for item in groups:
        try:
            group = _group(item, name)
            regions += _regions(group)
        except ReadError as error:
            left_out.append((_label(item), str(error)))
        except (*VALUE_ERRORS, RuntimeError) as error:
            left_out.append((_label(item), f"the group is damaged ({type(error).__name__})"))
    names = [str(item.get("PersonName", "")) for item in items if concept_of(item) == OBSERVER]
    known = [text.strip() for text in names if text.strip().lower() not in NO_NAMES]
    observer = visible(known[0]) if known else ""
    second = any(concept_of(item) == ROUND and code_of(item, "ConceptCodeSequence") == SECOND for item in items)
    return Report(
        path=path,
        uid=attributes.text("SOPInstanceUID") or "",
        moment=f"{attributes.text('ContentDate') or ''}{attributes.text('ContentTime') or ''}",
        observer=f"{observer}.2" if observer and second else observer,
        is_automatic=attributes.text("Manufacturer") == AUTOMATIC and not known,
        replaces=replaces,
        regions=tuple(regions),
        left_out=tuple(left_out),
    )


def _replaced(dataset: Dataset) -> Iterator[str]:
    for study in dataset.get("PredecessorDocumentsSequence") or ():
        for series in study.get("ReferencedSeriesSequence") or ():
            for item in series.get("ReferencedSOPSequence") or ():
                yield str(item.get("ReferencedSOPInstanceUID", ""))


def _label(item: Dataset) -> str:
    """Words of a group for messages; empty where they cannot be read."""
    try:
        return _group(item, "").label
    except (ReadError, RuntimeError, *VALUE_ERRORS):
        return ""


def _group(container: Dataset, name: str) -> _Group:
    """Words, coded levels and regions of a measurement group."""
    group = _Group()
    for item in items_of(container, name):
        concept, kind = concept_of(item), item.get("ValueType")
        if kind in ("SCOORD", "SCOORD3D"):
            group.regions.append(item)
        elif concept in (TRACKING, COMMENT) and kind == "TEXT":
            group.texts.append(str(item.get("TextValue", "")))
        elif concept in (FINDING, *SITES) and kind == "CODE":
            level = LEVEL_CODES.get(code_of(item, "ConceptCodeSequence"))
            meaning = str(item.ConceptCodeSequence[0].get("CodeMeaning", ""))
            if level is not None:
                group.coded.add(level)
            else:
                group.texts.append(meaning)
    return group


def _regions(group: _Group) -> list[Region]:
    """Boxes of a group; none where it has no region, as the group of the study.

    Raises:
        ReadError: a region that is no box of one level on one image.
    """
    if not group.regions:
        return []
    if len(group.regions) > 1:
        raise ReadError(f"{len(group.regions)} regions in one measurement group, expected one")
    level = _level(group)
    region = group.regions[0]
    views = {view for text in group.texts if (view := view_from_text(text)) is not None}
    images = [item for item in region.get("ContentSequence") or () if item.get("ReferencedSOPSequence")]
    if region.get("ValueType") != "SCOORD" or not images:
        raise ReadError("coordinates in space; expected coordinates in pixels of an image (SCOORD)")
    return [
        Region(
            level=level,
            view=views.pop() if len(views) == 1 else None,
            image_uid=str(images[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID),
            corners=_corners(region),
        )
    ]


def _level(group: _Group) -> VertebralLevel:
    """The level by codes and words, which must agree.

    Raises:
        ReadError: none, several, or words that say another than the code.
    """
    worded = {level for text in group.texts if (level := level_of(text.split(",", maxsplit=1)[0])) is not None}
    found = sorted(group.coded | worded)
    if len(found) == 1:
        return found[0]
    if not found:
        raise ReadError("neither its site nor its label names a vertebral level; label it L1 to L4")
    raise ReadError(f"its site and its label name {' and '.join(found)}; make them agree")


def _corners(region: Dataset) -> Corners:
    """Bounds of a closed line.

    Raises:
        ReadError: another shape, or points that are none.
    """
    kind = str(region.get("GraphicType", ""))
    raw = region.get("GraphicData")
    values = [float(value) for value in raw] if hasattr(raw, "__len__") else []
    if kind not in REGION_TYPES or len(values) < 8 or len(values) % 2:
        raise ReadError(f"a {visible(kind[:16]) or 'shape'} of {len(values) // 2} points; expected a rectangle")
    if len(values) > 2 * MAX_POINTS:
        raise ReadError(f"{len(values) // 2:,} points, expected at most {MAX_POINTS:,}")
    columns, rows = values[0::2], values[1::2]
    if not all(math.isfinite(value) for value in values) or max(map(abs, values)) > 1e6:
        raise ReadError("coordinates that lie on no image")
    corners = min(columns), min(rows), max(columns), max(rows)
    if corners[2] - corners[0] < 1 or corners[3] - corners[1] < 1:
        raise ReadError("a rectangle of less than a pixel")
    return corners
