"""Training of the classifier. Needs the extra 'train'."""
