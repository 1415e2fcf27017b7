"""One folder of weights and its manifest."""
