"""Colours and lettering that pages, pictures and DICOM objects share."""
