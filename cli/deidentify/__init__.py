"""De-identification on the command line."""
