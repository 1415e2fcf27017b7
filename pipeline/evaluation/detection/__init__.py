"""Detected boxes against manual ROIs, and against bodies annotated without levels."""
