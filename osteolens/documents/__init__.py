"""Text and documents from files: read with limits, errors on one line, and safe to show."""
