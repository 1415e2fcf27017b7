"""Plausibility audit of a simulated cohort: is it fit to learn from?"""
