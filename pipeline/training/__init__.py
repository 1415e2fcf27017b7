"""From cohort folders to a run folder, one stage at a time."""
