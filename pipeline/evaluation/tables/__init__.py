"""Tables of an evaluation, as people read them."""
