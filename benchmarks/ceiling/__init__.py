"""What can be known of bone density between the true bones and the display."""
