"""Simulated patients and the findings of their spines."""
