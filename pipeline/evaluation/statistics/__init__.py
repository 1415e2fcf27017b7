"""Statistics of diagnostic studies, on plain arrays."""
