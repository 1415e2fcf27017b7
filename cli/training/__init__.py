"""Commands of training that join several stages."""
