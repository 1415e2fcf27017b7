"""The comparison of ROIs as a page."""
