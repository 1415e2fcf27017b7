"""osteolens review."""
