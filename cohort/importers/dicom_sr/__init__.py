"""Boxes of measurement reports (DICOM SR, TID 1500): our own, and those that a reader corrected in a viewer."""

from cohort.importers.dicom_sr.read import read_dicom_sr as read_dicom_sr
