"""Manual against automatic ROIs through the same classifier."""
