"""Studies through the models: one, or a folder of them."""
