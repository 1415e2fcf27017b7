"""The simulated body around the bones."""
