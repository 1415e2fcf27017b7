"""Screening of studies in this process, or in several side by side."""
