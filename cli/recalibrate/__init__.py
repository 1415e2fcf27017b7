"""osteolens weights recalibrate."""
