"""osteolens cohort import and export of annotations."""
