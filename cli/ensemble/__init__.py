"""The command that joins classifiers."""
