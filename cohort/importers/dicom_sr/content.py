"""The content tree of a report, walked without recursion and within limits; a report is hostile until it is read.

Source: DICOM PS3.16 TID 1500; PS3.3 C.17.3 (document content).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import BasicTextSRStorage, Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from cohort.io.dicom.attributes import VALUE_ERRORS
from osteolens.documents.text import visible
from osteolens.errors import ReadError

REPORT_CLASSES = (BasicTextSRStorage, EnhancedSRStorage, ComprehensiveSRStorage, Comprehensive3DSRStorage)

MAX_REPORT_BYTES = 4 * 2**20
"""Bytes of a report; one of eight boxes has 20 kB."""

MAX_ITEMS = 20_000
"""Content items of a report."""

MAX_DEPTH = 16
"""Items within items; TID 1500 needs six."""


def check_size(path: Path) -> None:
    """Refuse a large report by the head of its file, before anything else of it is read.

    Raises:
        ReadError: larger than a report of boxes.
    """
    if path.stat().st_size <= MAX_REPORT_BYTES:
        return
    try:
        stated = str(read_file_meta_info(path).get("MediaStorageSOPClassUID", ""))
    except (*VALUE_ERRORS, RuntimeError, InvalidDicomError):
        return
    if stated in REPORT_CLASSES:
        raise ReadError(
            f"{visible(path.name)}: a report of more than {MAX_REPORT_BYTES / 2**20:.0f} MiB; expected boxes of "
            "vertebrae"
        )


def items_of(root: Dataset, name: str) -> Iterator[Dataset]:
    """Every content item below a data set, without recursion.

    Raises:
        ReadError: more items, or more within one another, than a report of boxes has.
    """
    waiting, count = [(root, 0)], 0
    while waiting:
        node, depth = waiting.pop()
        children = list(node.get("ContentSequence") or ())
        if children and depth >= MAX_DEPTH:
            raise ReadError(f"{name}: items more than {MAX_DEPTH} deep; expected a measurement report (TID 1500)")
        count += len(children)
        if count > MAX_ITEMS:
            raise ReadError(f"{name}: more than {MAX_ITEMS:,} items; expected a measurement report (TID 1500)")
        yield from children
        waiting += [(child, depth + 1) for child in reversed(children)]


def code_of(item: Dataset, keyword: str) -> tuple[str, str]:
    """(value, scheme) of the first code of an attribute, empty where there is none."""
    codes = item.get(keyword) or ()
    if not codes:
        return "", ""
    return str(codes[0].get("CodeValue", "")), str(codes[0].get("CodingSchemeDesignator", ""))


def concept_of(item: Dataset) -> tuple[str, str]:
    """(value, scheme) of what an item is named."""
    return code_of(item, "ConceptNameCodeSequence")
