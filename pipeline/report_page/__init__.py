"""One page, one style sheet, one way to draw."""
