"""Whether a simulated cohort is fit to learn from."""
