"""What fine-tuning the classifier gains with few films of a hospital that no training has seen."""
