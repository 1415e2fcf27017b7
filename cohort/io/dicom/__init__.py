"""DICOM CR and DX into radiographs."""
