"""Detected boxes against manual ROIs, and against bodies whose levels nobody labelled."""
