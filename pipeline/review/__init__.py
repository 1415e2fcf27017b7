"""A page on loopback to look at results, correct them and learn from them."""
