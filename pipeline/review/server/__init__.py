"""The web server of a review: guard, routes, address."""
