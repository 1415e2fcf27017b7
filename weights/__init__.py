"""Shipped weights: data only, read through importlib.resources."""
