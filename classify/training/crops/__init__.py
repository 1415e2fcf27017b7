"""Cached crops: how they are cut, and what is known of their studies."""
