"""A folder of measurement reports and their images into images with boxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cohort.importers.dicom_sr.content import check_size
from cohort.importers.dicom_sr.report import Region, Report, is_report, read_report
from cohort.importers.drawn import Contents, Corners, DrawnImage, LeftOut
from cohort.io.dicom.attributes import Attributes
from cohort.io.dicom.placement import Placement, placement_of
from cohort.io.dicom.read import looks_like_dicom, read_attributes, read_header
from cohort.io.walk import files_below
from cohort.spine import VertebraBox, VertebralLevel, View
from osteolens.documents.text import visible
from osteolens.errors import ReadError

MOST_FILES = 200_000
"""Files below a source."""

LEAST_INSIDE = 0.5
"""Fraction of a box that lies inside its image."""

READER = "reader"
"""Name of an observer whom a report does not name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """An image of the source, without its pixels.

    Attributes:
        path: of its file.
        study: StudyInstanceUID.
        view: by its header, or None.
        placement: how it is turned upright.
        shape: (rows, columns) as stored.
    """

    path: Path
    study: str
    view: View | None
    placement: Placement
    shape: tuple[int, int]


def read_dicom_sr(source: Path) -> Contents:
    """Boxes of every image that a report names. Of one reader's reports the latest counts for an image; those of
    readers count before our own, and a report that another one replaces is not read.

    Raises:
        ReadError: no such folder, or more files than are read.
    """
    if not source.is_dir():
        raise ReadError(f"{source}: no such folder; expected a folder of DICOM reports and their images")
    paths, skipped = files_below(source)
    if len(paths) > MOST_FILES:
        raise ReadError(f"{source}: {len(paths):,} files, expected at most {MOST_FILES:,}")
    left_out = [LeftOut(item.path, item.reason) for item in skipped]
    images, reports = _sorted_out(paths, left_out)
    replaced = {uid for report in reports for uid in report.replaces}
    by_image: dict[str, list[Report]] = defaultdict(list)
    for report in sorted(reports, key=lambda one: (one.moment, one.uid)):
        left_out += [LeftOut(report.path, reason, label) for label, reason in report.left_out]
        if report.uid in replaced:
            left_out.append(LeftOut(report.path, "a later report replaces it"))
            continue
        for uid in dict.fromkeys(region.image_uid for region in report.regions):
            by_image[uid].append(report)
    drawn: list[DrawnImage] = []
    for uid, about in by_image.items():
        if uid not in images:
            left_out.append(LeftOut(about[0].path, "the image that it names is not in the folder"))
            continue
        try:
            drawn.append(_drawn(images[uid], uid, about, left_out))
        except ReadError as error:
            left_out.append(LeftOut(images[uid].path, str(error)))
    left_out += [
        LeftOut(image.path, "no report has boxes on it") for uid, image in images.items() if uid not in by_image
    ]
    return Contents(images=drawn, left_out=left_out)


def _sorted_out(paths: Sequence[Path], left_out: list[LeftOut]) -> tuple[dict[str, _Image], list[Report]]:
    """Images by SOPInstanceUID, and reports; copies of one object count once."""
    images: dict[str, _Image] = {}
    reports: dict[str, Report] = {}
    for path in paths:
        try:
            if not looks_like_dicom(path):
                left_out.append(LeftOut(path, "no DICOM file"))
                continue
            check_size(path)
            attributes = read_attributes(path)
            if is_report(attributes):
                report = read_report(attributes, path)
                reports.setdefault(report.uid, report)
            elif attributes.integer("Rows") > 0 and attributes.integer("Columns") > 0:
                images.setdefault(attributes.text("SOPInstanceUID") or "", _image(attributes, path))
            else:
                left_out.append(LeftOut(path, "neither a report nor an image"))
        except ReadError as error:
            left_out.append(LeftOut(path, str(error)))
        except OSError as error:
            left_out.append(LeftOut(path, f"cannot be opened ({error.strerror})"))
    return images, list(reports.values())


def _image(attributes: Attributes, path: Path) -> _Image:
    return _Image(
        path=path,
        study=attributes.text("StudyInstanceUID") or path.stem,
        view=read_header(path).view,
        placement=placement_of(attributes),
        shape=(attributes.integer("Rows"), attributes.integer("Columns")),
    )


def _drawn(image: _Image, uid: str, reports: Sequence[Report], left_out: list[LeftOut]) -> DrawnImage:
    """An image with the boxes that count, and those of each reader.

    Raises:
        ReadError: no view, or no box inside the image.
    """
    views = {region.view for report in reports for region in report.regions if region.image_uid == uid} - {None}
    view = image.view or (views.pop() if len(views) == 1 else None)
    if view is None:
        raise ReadError("neither its header nor a label tells AP from lateral")
    by_readers = [report for report in reports if not report.is_automatic]
    names = {report.path: report.observer or READER for report in by_readers}
    readings: dict[str, Mapping[VertebralLevel, Corners]] = {}
    for report in by_readers:
        boxes = _boxes(report, uid, image, left_out)
        if boxes and names[report.path] in readings:
            left_out.append(LeftOut(image.path, f"an earlier report of {names[report.path]}; the latest counts"))
        if boxes:
            readings.pop(names[report.path], None)
            readings[names[report.path]] = boxes
    automatic = [report for report in reports if report.is_automatic]
    if readings:
        left_out += [LeftOut(report.path, "boxes of OsteoLens; a reader's count before them") for report in automatic]
        chosen = list(readings.values())[-1]
        note = "several readers; rois.csv has the boxes of the latest report" if len(readings) > 1 else ""
    else:
        chosen = _boxes(automatic[-1], uid, image, left_out) if automatic else {}
        note = "boxes are those of OsteoLens, which no reader has corrected"
    if not chosen:
        raise ReadError("no box of a report lies on it")
    return DrawnImage(
        path=image.path, study=image.study, view=view, boxes=chosen, readings=readings, note=note, suffix=".dcm"
    )


def _boxes(report: Report, uid: str, image: _Image, left_out: list[LeftOut]) -> dict[VertebralLevel, Corners]:
    """Boxes of a report on an image, in pixels of the image as it is read; a level that stands twice has none."""
    by_level: dict[VertebralLevel, list[Region]] = defaultdict(list)
    for region in report.regions:
        if region.image_uid == uid:
            by_level[region.level].append(region)
    boxes: dict[VertebralLevel, Corners] = {}
    for level, regions in sorted(by_level.items()):
        if len(regions) > 1:
            reason = f"{level} is drawn {len(regions)} times and none is used; keep one"
            left_out.append(LeftOut(report.path, reason, level))
            continue
        corners = image.placement.shown_corners(regions[0].corners, image.shape)
        if VertebraBox(level, *corners).fraction_inside(image.placement.shown_shape(image.shape)) < LEAST_INSIDE:
            where = ", ".join(f"{value:.0f}" for value in corners)
            reason = f"it lies outside its image {visible(image.path.name)} ({where})"
            left_out.append(LeftOut(report.path, reason, level))
            continue
        boxes[level] = corners
    return boxes
