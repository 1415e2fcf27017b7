"""osteolens evaluate-groups."""
