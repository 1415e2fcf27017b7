"""Annotation formats of labelling tools."""
