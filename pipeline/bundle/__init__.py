"""One folder of weights and what is known of it."""
