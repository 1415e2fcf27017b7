"""Where the time of a study goes, in one run: `python -m benchmarks.performance`."""
