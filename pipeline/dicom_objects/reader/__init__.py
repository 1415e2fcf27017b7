"""What a reader says of a study, as DICOM SR."""
