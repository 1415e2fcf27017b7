"""The two stages together: screening, its outputs and its reports."""
