"""Annotations of other tools and public data sets into a cohort folder."""
