"""What stands behind the branches, fitted on their features."""
