"""De-identification of radiographs and of the tables beside them, by the basic profile of DICOM PS3.15 Annex E."""
