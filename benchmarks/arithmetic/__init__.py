"""What pixels, refinement and views buy."""
