"""Boxes and outlines in the formats of labelling tools, and which image each picture was made of."""
