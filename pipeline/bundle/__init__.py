"""A folder of weights: its manifest, loading and assembly."""
