"""The simulated skeleton: shapes, posture, growths and density."""
