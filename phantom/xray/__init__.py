"""X-ray source, detector, display, and the radiograph taken with them."""
