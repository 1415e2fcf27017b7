"""Annotations between films, models and labelling tools."""
