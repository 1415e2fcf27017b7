"""A DICOM node: receives radiographs, screens each study, and sends the results back."""
