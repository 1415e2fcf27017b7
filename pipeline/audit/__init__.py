"""Plausibility audit of a simulated cohort."""
