"""A reader's report as a file: whole or not at all."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

from osteolens.atomic import write_whole
from pipeline.dicom_objects.config import DicomConfig
from pipeline.dicom_objects.reader.findings import ReaderFindings, ReadImages
from pipeline.dicom_objects.write import encoded_object, require_dicom, stored_report
from pipeline.prediction import Prediction


def write_reader_report(
    findings: ReaderFindings,
    prediction: Prediction,
    images: ReadImages,
    config: DicomConfig,
    automatic: Path,
    path: Path,
) -> None:
    """Write what a reader says of a study, whole or not at all; a file that says the same stays as it is.

    Args:
        findings: what the reader says.
        prediction: the result that was read.
        images: files of the study's images, and which of them boxes lie on.
        config: under which identifiers.
        automatic: the report of the result, where there is one.
        path: of the report, which the reader's last one lies at.

    Raises:
        MissingExtra: highdicom is not installed.
        StudyError: boxes lie on an image that no report can reference.
        OutputError: the file cannot be written.
    """
    require_dicom()
    from pipeline.dicom_objects.reader.report import reader_report
    from pipeline.dicom_objects.source import source_study

    with warnings.catch_warnings(action="ignore"):
        source = source_study(images.paths, replace(prediction, images=images.records), images.shown)
        earlier = stored_report(path)
        report = reader_report(findings, prediction, source, config, stored_report(automatic), earlier)
        content = None if report is earlier else encoded_object(report)
    if content is not None:
        write_whole(path, content)
