"""Text and documents that came from files: read with limits, told in one line, and safe to show."""
