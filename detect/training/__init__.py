"""Training of the detector and of the body segmenter. Needs the extra 'train'."""
