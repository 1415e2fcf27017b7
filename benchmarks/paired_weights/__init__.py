"""Two weights on the same patients."""
