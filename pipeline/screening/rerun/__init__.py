"""What a run notes of files, so that a rerun need not read those that are unchanged."""
