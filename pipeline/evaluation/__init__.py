"""Saved predictions against DXA and manual ROIs; never runs a model."""
