"""Results as DICOM objects: structured report, secondary capture and presentation state."""
