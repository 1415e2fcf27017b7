"""Public data sets in the layouts in which their owners give them out."""
