"""A hospital's delivery, tables and radiographs, into one cohort folder."""
