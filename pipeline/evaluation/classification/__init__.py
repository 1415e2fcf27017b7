"""Predicted classes, probabilities and T-scores against DXA."""
