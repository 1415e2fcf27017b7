"""The page, style sheet and figures that all reports use."""
